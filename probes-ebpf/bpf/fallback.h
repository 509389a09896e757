/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * What the audit fallback does with what was opened, mapped or started: finds the file, asks the decision, and turns
 * a denial into a report.
 */
#ifndef AEGIS_FALLBACK_H
#define AEGIS_FALLBACK_H

#include "file.h"
#include "opened.h"

/* Counts something that could not be looked at. */
static __always_inline void unseen(void)
{
	COUNT_HERE(unseen);
}

/* Whether a rule of the generation in force, or the self-check, asks for an operation: nothing is missed otherwise.
 * What cannot be read is left to the decision. */
static __always_inline int asked_for(uint32_t operations)
{
	struct aegis_active active = aegis_active(NULL);
	const struct aegis_generation_info *info;

	if (aegis_self_check(NULL))
		return 1;
	if (!active.generation)
		return 0;
	info = aegis_generation(NULL, active.generation & 1);
	return !info || info->generation != active.generation || info->operations & operations;
}

/* The operations that an open has asked for. `given` are the flags of the call: of those that the file has, `kept`,
 * the kernel has taken out what concerns only opening. */
static __always_inline uint32_t operations_of(uint32_t mode, uint32_t kept, uint32_t given)
{
	uint32_t operations = mode & (FMODE_READ | FMODE_WRITE);

	if (kept & O_APPEND && mode & FMODE_WRITE)
		operations |= AEGIS_OPERATION_APPEND;

	if (given & O_TRUNC)
		operations |= AEGIS_OPERATION_WRITE;
	/* Access mode 3 opens a device for ioctl alone and asks for both rights: so do we. */
	return operations ?: AEGIS_OPERATION_READ | AEGIS_OPERATION_WRITE;
}

/* The beginning of a struct of the kernel, which is read at once: on the way that every open takes, the number of
 * calls is what counts. What lies beyond it is read by itself. */
struct beginning {
	uint64_t words[10];
};

#define READ_BEGINNING(beginning, pointer) bpf_probe_read_kernel(&(beginning), sizeof(beginning), pointer)

/* A field of a struct whose beginning was read. */
#define PART(beginning, pointer, field)                                                                        \
	({                                                                                                     \
		const uint64_t at__ = __builtin_preserve_field_info((pointer)->field, 0);                      \
		typeof(({ (pointer)->field; })) part__ = 0;                                                    \
		if (at__ + sizeof(part__) <= sizeof(beginning))                                                \
			part__ = *(typeof(part__) *)((char *)&(beginning) + at__);                             \
		else                                                                                           \
			part__ = READ(pointer, field);                                                         \
		part__;                                                                                        \
	})

/* Fills in a key but for the inode generation, which lies far behind in the struct. `beside` is a file system whose
 * device is known already: it is mostly the same one. */
static __always_inline const struct super_block *number(struct aegis_object_key *key, struct beginning *beginning,
							const struct inode *inode, const struct super_block *beside,
							uint32_t dev)
{
	const struct super_block *super;

	if (READ_BEGINNING(*beginning, inode))
		return NULL;
	key->ino = PART(*beginning, inode, i_ino);
	super = PART(*beginning, inode, i_sb);
	key->dev = super == beside ? dev : READ(super, s_dev);
	return super;
}

/* The file behind a new descriptor; NULL if there is none, or none any more. */
static __always_inline const struct file *file_of(uint64_t descriptor)
{
	const struct fdtable *table = bpf_get_current_task_btf()->files->fdt;
	const struct file *file = NULL;

	if (descriptor < table->max_fds)
		bpf_probe_read_kernel(&file, sizeof(file), table->fd + descriptor);
	return file;
}

/* Whether the rules may concern the file behind a new descriptor. Here ends the way of nearly all. */
AEGIS_SUBPROGRAM int may_concern(uint32_t descriptor)
{
	struct aegis_object_key object = {}, directory = {};
	const struct file *file = file_of(descriptor);
	const struct super_block *super;
	const struct dentry *dentry, *up;
	struct beginning beginning;

	/* Another thread has closed it already. */
	if (!file || READ_BEGINNING(beginning, file)) {
		unseen();
		return 0;
	}
	dentry = PART(beginning, file, f_path.dentry);
	super = number(&object, &beginning, PART(beginning, file, f_inode), NULL, 0);
	up = READ(dentry, d_parent);
	/* The root of a file system has no name. */
	if (up != dentry)
		number(&directory, &beginning, READ(up, d_inode), super, object.dev);
	return aegis_may_concern(NULL, &object, &directory);
}

/* What is mapped somewhere. */
struct area {
	uint64_t file;
	uint64_t end;
	uint64_t flags;
};

static long look_at(struct task_struct *task, struct vm_area_struct *found, struct area *area)
{
	/* As a plain address: it may be NULL, and is handed to functions that take no other. */
	area->file = (uint64_t)READ(found, vm_file);
	area->end = found->vm_end;
	area->flags = found->vm_flags;
	return 0;
}

/* The address of the file that is mapped as executable memory at an address of the current task; 0 if none is. What
 * is mapped further on, of so many bytes, is not looked at. */
AEGIS_SUBPROGRAM uint64_t executable_at(uint64_t address, uint64_t bytes)
{
	struct area area = {};

	/* It fails while another thread changes the memory map, or if that has unmapped it. */
	if (bpf_find_vma(bpf_get_current_task_btf(), address, look_at, &area, 0) || area.end < address + bytes)
		unseen();
	return area.flags & VM_EXEC ? area.file : 0;
}

/* What must still be so when a report is made; else what was read may have been of another file. */
enum witness { NO_WITNESS, IS_DESCRIPTOR, IS_MAPPING };

/* Whether a descriptor, or the mapping at an address, is still that of a file. */
static __always_inline int still_there(uint32_t witness, uint64_t place, uint64_t file)
{
	if (witness == IS_DESCRIPTOR)
		return file_of(place) == (const void *)file;
	return witness == NO_WITNESS || executable_at(place, 0) == file;
}

/* Fills in what is acted upon: a file as it was opened, or as it is seen above an overlay. */
AEGIS_SUBPROGRAM int act_upon_file(struct aegis_request *request, uint64_t at, uint32_t as_seen)
{
	const struct file *file = (const void *)at;
	struct path path;

	if (as_seen) {
		path = opened_path(file);
		return act_upon(request, (uint64_t)READ(path.dentry, d_inode), (uint64_t)path.dentry,
				(uint64_t)path.mnt);
	}
	return act_upon(request, (uint64_t)READ(file, f_inode), (uint64_t)READ(file, f_path.dentry),
			(uint64_t)READ(file, f_path.mnt));
}

/* In `what`: the file is asked for as it is seen above an overlay. */
#define AS_SEEN (1ULL << 48)

/* Asks the rules for a file, and tells what they say. `what` is the operations, and above them the hook. Returns whether
 * it was a self-check. A function of its own, as programs and what they call have little room on the stack together. */
AEGIS_SUBPROGRAM int asked(uint64_t file, uint64_t what, uint64_t place, uint32_t witness)
{
	struct aegis_answer answer = {};
	struct aegis_request request = { .operations = what, .hook = what >> 32 };

	act_upon_file(&request, file, what & AS_SEEN ? 1 : 0);
	aegis_decide(&request, &answer);
	if (answer.reason == AEGIS_REASON_NONE && !answer.self_check)
		return 0;
	/* Closed, unmapped or replaced under our eyes. */
	if (!still_there(witness, place, file)) {
		unseen();
		return answer.self_check;
	}
	/* Nothing is denied any more: the operation has succeeded. */
	if (answer.verdict == AEGIS_VERDICT_DENY) {
		answer.verdict = AEGIS_VERDICT_AUDIT;
		answer.signal = 0;
	}
	report(&request, &answer);
	return answer.self_check;
}

/* A system call has returned a descriptor of a file that it opened. */
static __always_inline void opened(uint32_t descriptor, uint32_t given)
{
	const struct file *file;
	uint32_t kept;

	if (!may_concern(descriptor))
		return;
	file = file_of(descriptor);
	/* Closed under our eyes: what it was cannot be told any more. */
	if (!file) {
		unseen();
		return;
	}
	/* A mere place in the file tree: nothing was accessed. */
	kept = READ(file, f_flags);
	if (kept & O_PATH)
		return;
	asked((uint64_t)file,
	      (uint64_t)AEGIS_HOOK_SYS_EXIT << 32 | operations_of(READ(file, f_mode), kept, given), descriptor,
	      IS_DESCRIPTOR);
}

/* The inode of a mapped file that is seen above an overlay; without one it is the file's own. */
AEGIS_SUBPROGRAM uint64_t seen_inode(uint64_t file)
{
	return (uint64_t)READ(opened_path((const void *)file).dentry, d_inode);
}

/* The file's own. */
AEGIS_SUBPROGRAM uint64_t own_inode(uint64_t file)
{
	return (uint64_t)READ((const struct file *)file, f_inode);
}

/* What lies at an address was mapped, made executable, or begun in. Below an overlay both the file that was opened
 * and the real one are asked for; not so `known`, which was asked for before. */
static __always_inline void mapped(uint64_t what, uint64_t address, uint64_t bytes, uint64_t known)
{
	const uint64_t file = executable_at(address, bytes);
	uint64_t seen;

	if (!file)
		return;
	seen = seen_inode(file);
	if (seen == known)
		return;
	/* In a self-check, what else is asked for would be taken for the answer. */
	if (asked(file, what | AS_SEEN, address, IS_MAPPING) || seen == own_inode(file))
		return;
	asked(file, what, address, IS_MAPPING);
}

#endif
