/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * Files as objects: their identity, the name by which they were reached, and one judgement on both.
 */
#ifndef AEGIS_FILE_H
#define AEGIS_FILE_H

#include "tables.h"
#include "subject.h"

/* A piece of a name that is read at once: most names are shorter. */
#define PIECE_WORDS 4
#define PIECE_BYTES (PIECE_WORDS * 8)

/* The same number, of which the verifier no longer knows anything. What it learns of a number by comparing it keeps
 * the ways through a loop apart, which it then walks one by one; a copy that it does not connect with the number
 * keeps them together. */
static __always_inline uint64_t unknown(uint64_t number, uint64_t noise)
{
	asm volatile("%0 ^= %1; %0 ^= %1" : "+r"(number) : "r"(noise));
	return number;
}

/* Hashes a name where it lies. Returns 0, or -1 if it cannot be read. */
static __always_inline int hash_name(const unsigned char *name, uint32_t length, const uint64_t *key, uint64_t *result)
{
	struct aegis_name_hash hash;
	uint64_t rest = 0;

	aegis_name_begin(&hash, key);
	for (uint32_t at = 0; at < AEGIS_NAME_WORDS * 8; at += PIECE_BYTES) {
		uint64_t piece[PIECE_WORDS] = {};
		uint64_t left = length - at;
		uint64_t size = unknown(left, hash.v0);

		size = size < PIECE_BYTES ? size : PIECE_BYTES;
		/* The value that is compared is the one that is used: older verifiers lose the bounds otherwise. */
		asm volatile("" : "+r"(size));
		if (size > PIECE_BYTES || (size && bpf_probe_read_kernel(piece, size, name + at)))
			return -1;
		for (int i = 0; i < PIECE_WORDS; i++, left -= 8) {
			if (unknown(left, hash.v0) < 8) {
				rest = piece[i];
				goto end;
			}
			aegis_name_word(&hash, piece[i]);
		}
	}
	return -1;
end:
	*result = aegis_name_end(&hash, rest, length);
	return 0;
}

/* Tries before a name that changes under our eyes counts as unreadable. Each change is a rename that somebody
 * must make, so two in the time of a few reads do not happen by chance. */
#define NAME_TRIES 2

/* Reads a name in one piece: the kernel's own hash and length of it must be the same before and after, and so must
 * its directory. `known` is the dentry as a pointer that the verifier knows, whose fields are read without a call,
 * or NULL at compile time; it is the one in the request. */
static __always_inline int slot_key(const struct aegis_request *request, const struct dentry *known,
				    struct aegis_slot_key *key)
{
	const struct aegis_identity *self = bpf_map_lookup_elem(&identity, &first);
	const struct dentry *dentry = request->side;

/* The hash and the length are two fields, as verifiers up to 6.1 do not know the union that they are in. */
#define NOW(field) (known ? known->field : READ(dentry, field))
	/* An array's only element is always there; the verifier does not know it. */
	if (!self)
		return -1;
	for (int attempt = 0; attempt < NAME_TRIES; attempt++) {
		uint32_t before = NOW(d_name.hash), length = NOW(d_name.len);
		uint64_t hash;
		int failed;

		if (!length || length > AEGIS_NAME_MAX)
			return -1;
		failed = hash_name(NOW(d_name.name), length, self->name_key, &hash);
		/* Moved to another directory: what was asked about that directory no longer holds. */
		if (NOW(d_parent) != request->up)
			return -1;
		if (!failed && NOW(d_name.hash) == before && NOW(d_name.len) == length) {
			key->parent = request->parent;
			key->name_hash = hash;
			return 0;
		}
	}
	return -1;
#undef NOW
}

AEGIS_SUBPROGRAM int slot_key_by_address(const struct aegis_request *request, struct aegis_slot_key *key)
{
	/* The caller passes no NULL; the verifier, which looks at this function alone, does not know it. */
	if (!request || !key)
		return -1;
	return slot_key(request, NULL, key);
}

static __always_inline int aegis_slot_key(const struct aegis_request *request, const struct dentry *known,
					  struct aegis_slot_key *key)
{
	if (!known)
		return slot_key_by_address(request, key);
	return slot_key(request, known, key);
}

#include "decide.h"
#include "report.h"

/* One copy of the decision in each program. */
AEGIS_SUBPROGRAM int decide(const struct aegis_request *request, struct aegis_answer *answer)
{
	struct aegis_request own;

	/* The caller passes no NULL; the verifier, which looks at this function alone, does not know it. */
	if (!request || !answer)
		return -1;
	/* On the stack: kernels up to 6.1 take keys from nowhere else in a function of its own. */
	own = *request;
	aegis_decide(&own, answer, NULL);
	return 0;
}

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
static __always_inline int concluded(const struct aegis_request *request, struct aegis_answer *answer)
{
	/* The way of nearly all requests: no rule concerns it, nothing is counted. */
	if (answer->reason == AEGIS_REASON_NONE && !answer->self_check && !answer->notice)
		return 0;
	/* A twin is called before the hook that knows no mount, which tells everything but a denial. */
	if (request->is_twin && answer->verdict != AEGIS_VERDICT_DENY && !answer->self_check)
		return 0;
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

/* Decides, counts, reports. Returns whether the operation is denied. */
AEGIS_SUBPROGRAM int denied(const struct aegis_request *request)
{
	struct aegis_answer answer = {};

	/* deny: no request, which cannot be; the verifier, which looks at this function alone, does not know it */
	if (!request)
		return 1;
	/* deny: no answer, which cannot be */
	if (decide(request, &answer))
		return 1;
	return concluded(request, &answer);
}

/* Whether a hook is the twin of one that comes after it, is asked about the same, and knows no mount. */
static __always_inline int is_twin(uint32_t hook)
{
	switch (hook) {
	case AEGIS_HOOK_PATH_MKNOD:
	case AEGIS_HOOK_PATH_LINK:
	case AEGIS_HOOK_PATH_UNLINK:
	case AEGIS_HOOK_PATH_SYMLINK:
	case AEGIS_HOOK_PATH_MKDIR:
	case AEGIS_HOOK_PATH_RMDIR:
	case AEGIS_HOOK_PATH_RENAME:
	case AEGIS_HOOK_PATH_CHMOD:
	case AEGIS_HOOK_PATH_CHOWN:
	case AEGIS_HOOK_PATH_TRUNCATE:
	case AEGIS_HOOK_FILE_TRUNCATE:
		return 1;
	}
	return 0;
}

/* Whether `operations` on an inode that was reached by a dentry are denied. Takes plain addresses, so it serves
 * hooks whose arguments may be NULL although the verifier takes them for valid. */
static __always_inline int inode_denied(const struct inode *inode, const struct dentry *dentry,
					const struct vfsmount *mnt, uint32_t operations, uint32_t hook)
{
	const struct dentry *parent = READ(dentry, d_parent);
	int is_denied;
	struct aegis_request request = {
		.operations = operations,
		.hook = hook,
		.is_twin = is_twin(hook),
		.side = dentry,
		.mount = mnt,
		.up = parent,
	};

	identify(&request.object, inode);
	/* The root of a file system has no name. */
	if (parent != dentry)
		identify(&request.parent, READ(parent, d_inode));
	is_denied = denied(&request);
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
