/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * Files as objects: their identity, the name by which they were reached, and one judgement on both.
 */
#ifndef AEGIS_FILE_H
#define AEGIS_FILE_H

#include "name.h"
#include "subject.h"

/* See climb.h. */
int aegis_climb(const struct aegis_request *request, uint32_t generation, struct aegis_above *above);

#include "decide.h"
#include "climb.h"
#include "report.h"
#include "signal.h"

/* Tells the daemon that what a name stands for is about to change. */
static __always_inline void notify(const struct aegis_request *request, const struct aegis_answer *answer)
{
	struct aegis_notice *notice = bpf_ringbuf_reserve(&notices, sizeof(*notice), 0);

	if (!notice)
		return;
	notice->generation = answer->generation;
	notice->hook = request->hook;
	notice->time_ns = bpf_ktime_get_boot_ns();
	bpf_ringbuf_submit(notice, 0);
}

/* Counts and reports what was answered. Returns whether the operation is denied. */
AEGIS_SUBPROGRAM int concluded(const struct aegis_request *request, struct aegis_answer *answer)
{
	/* deny: no answer, which cannot be; the verifier, which looks at this function alone, does not know it */
	if (!request || !answer)
		return 1;
	/* The way of nearly all requests: no rule concerns it, nothing is counted. */
	if (answer->reason == AEGIS_REASON_NONE && !answer->self_check && !answer->notice)
		return 0;
	/* A twin is called before the hook that knows no mount, which tells everything but a denial. */
	if (request->is_twin && answer->verdict != AEGIS_VERDICT_DENY && !answer->self_check)
		return 0;
	if (answer->signal && answer->verdict == AEGIS_VERDICT_DENY)
		answer->signal = signal_of(answer);
	/* Not sent: to process 1 or a process that ends. The event says what was sent. */
	if (answer->signal && (answer->verdict != AEGIS_VERDICT_DENY || bpf_send_signal(answer->signal)))
		answer->signal = 0;
	if (answer->reason != AEGIS_REASON_NONE || answer->self_check)
		report(request, answer);
	if (answer->verdict == AEGIS_VERDICT_DENY)
		return 1;
	if (answer->notice)
		notify(request, answer);
	return 0;
}

/* Fills in what is acted upon: an inode that was reached by a dentry on a mount. A function of its own, as programs
 * and what they call have little room on the stack together; so addresses come as numbers. */
AEGIS_SUBPROGRAM int act_upon(struct aegis_request *request, uint64_t inode, uint64_t at, uint64_t mount)
{
	const struct dentry *dentry = (const void *)at, *up = READ(dentry, d_parent);

	/* The caller passes no NULL; the verifier, which looks at this function alone, does not know it. */
	if (!request)
		return 0;
	request->side = dentry;
	request->mount = (const void *)mount;
	identify(&request->object, (const void *)inode);
	request->parent.ino = 0;
	/* The root of a file system has no name. */
	if (up != dentry)
		identify(&request->parent, READ(up, d_inode));
	return 0;
}

/* The argument of a hook as a plain address, which no verifier knows for more: functions of their own take numbers. */
#define ARGUMENT(type, number)                                                                                 \
	({                                                                                                     \
		const type *argument__ = NULL;                                                                 \
		bpf_probe_read_kernel(&argument__, sizeof(argument__), ctx + (number));                        \
		argument__;                                                                                    \
	})

/* What comes of a request, as bits. */
enum { DENIED = 1, SECURE = 2 };

/* Decides, counts, reports: whether operations on an inode that was reached by a dentry are denied. Takes plain
 * addresses, so it serves hooks whose arguments may be NULL although the verifier takes them for valid. `what` is the
 * operations, above them the hook, and above that whether it is a twin. */
AEGIS_SUBPROGRAM int decided(uint64_t inode, uint64_t at, uint64_t mount, uint64_t what)
{
	struct aegis_answer answer = {};
	struct aegis_request request = {
		.operations = what,
		.hook = what >> 32,
		.is_twin = what >> 48,
	};

	act_upon(&request, inode, at, mount);
	aegis_decide(&request, &answer);
	return (concluded(&request, &answer) ? DENIED : 0) | (answer.secure ? SECURE : 0);
}

/* Whether a hook is the twin of another that is asked about the same, and tells more of it: mostly of one that comes
 * after it and is reached by more ways. Of a new size those tell that come before, and know the mount. */
static __always_inline int is_twin(uint32_t hook, uint32_t operations)
{
	switch (hook) {
	case AEGIS_HOOK_INODE_SETATTR:
		return operations == AEGIS_OPERATION_TRUNCATE;
	case AEGIS_HOOK_PATH_MKNOD:
	case AEGIS_HOOK_PATH_LINK:
	case AEGIS_HOOK_PATH_UNLINK:
	case AEGIS_HOOK_PATH_SYMLINK:
	case AEGIS_HOOK_PATH_MKDIR:
	case AEGIS_HOOK_PATH_RMDIR:
	case AEGIS_HOOK_PATH_RENAME:
	case AEGIS_HOOK_PATH_CHMOD:
	case AEGIS_HOOK_PATH_CHOWN:
		return 1;
	}
	return 0;
}

/* Whether operations on an inode that was reached by a dentry are denied. */
static __always_inline int inode_denied(const struct inode *inode, const struct dentry *dentry,
					const struct vfsmount *mnt, uint32_t operations, uint32_t hook)
{
	uint64_t what = (uint64_t)is_twin(hook, operations) << 48 | (uint64_t)hook << 32 | operations;
	int is_denied = decided((uint64_t)inode, (uint64_t)dentry, (uint64_t)mnt, what) & DENIED;

	/* The compiler knows that it is 0 or 1 and would return its negative; verifiers only know that it is a number. */
	asm volatile("" : "+r"(is_denied));
	return is_denied;
}

/* The same for an open file: the object is the inode that the file works on, the name that of its path. */
static __always_inline int file_denied(const struct file *file, uint32_t operations, uint32_t hook)
{
	return inode_denied(READ(file, f_inode), READ(file, f_path.dentry), READ(file, f_path.mnt), operations, hook);
}

#endif
