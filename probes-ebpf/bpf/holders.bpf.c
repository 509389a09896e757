// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Tells user space who holds files: what was opened or mapped before a rule came into force goes on working.
 *
 * iter/task_file       one record for each descriptor of each process
 * iter/task_vma        one record for each mapping of a file
 * iter/task            one record for each cgroup that the process is in to which the iterator is limited
 *
 * Threads share descriptors and mappings: the kernel passes over threads that share the descriptors of the first
 * thread of their process.
 */
#include "iterated.h"
#include "described.h"
#include "opened.h"

#define PIPEFS_MAGIC 0x50495045
#define SOCKFS_MAGIC 0x534f434b
#define ANON_INODE_FS_MAGIC 0x09041934

_Static_assert(FMODE_READ == AEGIS_OPERATION_READ && FMODE_WRITE == AEGIS_OPERATION_WRITE, "they are taken over");

struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
} __attribute__((preserve_access_index));

static __always_inline void tell_object(struct aegis_object_key *key, const struct inode *inode)
{
	key->ino = READ(inode, i_ino);
	key->dev = READ(READ(inode, i_sb), s_dev);
	key->inode_generation = READ(inode, i_generation);
}

/* What no rule can name: it is on no file system that anybody mounts. Most descriptors of a host are such. */
static __always_inline int has_no_path(const struct file *file)
{
	unsigned long magic = READ(READ(READ(file, f_inode), i_sb), s_magic);

	return magic == PIPEFS_MAGIC || magic == SOCKFS_MAGIC || magic == ANON_INODE_FS_MAGIC;
}

/* The process's id where whoever reads this runs. */
static __always_inline uint32_t pid_here(const struct task_struct *leader)
{
	const struct task_struct *reader = bpf_get_current_task_btf();
	const struct pid *pid = READ(leader, thread_pid);
	uint32_t level = READ(READ(reader, thread_pid), level);
	const struct upid *numbers = (const void *)pid + OFFSET_OF(struct pid, numbers);

	/* The iterator passes only over tasks that are in the reader's namespace, so they have a number there. */
	return pid && READ(pid, level) >= level ? READ(numbers + level, nr) : 0;
}

/* Returns whether the process has a number: one that is being reaped has none any more, and holds nothing. */
static __always_inline int tell_holder(struct aegis_held *record, const struct task_struct *task)
{
	const struct task_struct *leader = READ(task, group_leader);

	record->tid = READ(task, pid);
	record->pid = READ(task, tgid);
	record->pid_here = pid_here(leader);
	record->start_time = READ(leader, start_boottime);
	record->uid = READ(READ(task, real_cred), uid.val);
	bpf_probe_read_kernel(record->comm, sizeof(record->comm), &leader->comm);
	return record->pid_here != 0;
}

/* The operations that a descriptor lets its holder go on with: those that its opening asked for. */
static __always_inline uint32_t opened_for(const struct file *file)
{
	uint32_t mode = READ(file, f_mode), flags = READ(file, f_flags);
	uint32_t operations = mode & (FMODE_READ | FMODE_WRITE);

	if (mode & FMODE_PATH)
		return 0;
	if (flags & F_FLAGS_EXEC)
		return AEGIS_OPERATION_EXEC;
	/* As it is now: a holder can set and take away the flag. */
	if (flags & O_APPEND && mode & FMODE_WRITE)
		operations |= AEGIS_OPERATION_APPEND;
	/* Access mode 3 is decided as both. */
	return operations ?: AEGIS_OPERATION_READ | AEGIS_OPERATION_WRITE;
}

SEC("iter/task_file")
int aegis_descriptors(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct task_struct *task = ctx->task;
	struct aegis_held record = { .kind = AEGIS_HELD_DESCRIPTOR };

	/* The last call of an iteration has no file. */
	if (!file || !task)
		return 0;
	record.operations = opened_for(file);
	if (!record.operations || has_no_path(file))
		return 0;
	record.first = record.end = ctx->fd;
	tell_object(&record.object, READ(file, f_inode));
	record.opened = record.object;
	if (!tell_holder(&record, task))
		return 0;
	/* Fails when the buffer of this read is full; the kernel then calls again for the same file. */
	return bpf_seq_write(ctx->meta->seq, &record, sizeof(record)) ? 1 : 0;
}

/* The operations that a mapping lets its holder go on with. Memory that may be made writable is never asked about
 * again, so it counts as writable; memory that is made executable is. What was opened to be run was not read. */
static __always_inline uint32_t mapped_for(const struct file *file, unsigned long flags)
{
	uint32_t operations = flags & VM_EXEC ? AEGIS_OPERATION_MAP_EXEC : 0;

	if (READ(file, f_flags) & F_FLAGS_EXEC)
		return operations | (operations ? AEGIS_OPERATION_EXEC : 0);
	if ((flags & VM_SHARED) && (flags & VM_MAYWRITE))
		operations |= AEGIS_OPERATION_WRITE;
	/* A file is mapped only by a descriptor that may read. */
	return operations | AEGIS_OPERATION_READ;
}

SEC("iter/task_vma")
int aegis_mappings(struct bpf_iter__task_vma *ctx)
{
	struct vm_area_struct *area = ctx->vma;
	struct task_struct *task = ctx->task;
	struct aegis_held record = { .kind = AEGIS_HELD_MAPPING };
	const struct task_struct *leader;
	const struct inode *opened;
	const struct file *file;

	/* The last call of an iteration has no mapping. */
	if (!area || !task)
		return 0;
	file = READ(area, vm_file);
	leader = READ(task, group_leader);
	/* A thread with descriptors of its own, but with the memory of the first thread: that was told already. */
	if (!file || (leader != task && READ(leader, mm) == READ(task, mm)))
		return 0;
	record.operations = mapped_for(file, READ(area, vm_flags));
	if (!record.operations || has_no_path(file))
		return 0;
	record.first = READ(area, vm_start);
	record.end = READ(area, vm_end);
	tell_object(&record.object, READ(file, f_inode));
	opened = READ(opened_path(file).dentry, d_inode);
	tell_object(&record.opened, opened ?: READ(file, f_inode));
	if (!tell_holder(&record, task))
		return 0;
	return bpf_seq_write(ctx->meta->seq, &record, sizeof(record)) ? 1 : 0;
}

SEC("iter/task")
int aegis_memberships(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct aegis_membership record = {};
	const struct cgroup *cgroup;

	/* The last call of an iteration has no task. */
	if (!task)
		return 0;
	record.pid = READ(task, tgid);
	record.start_time = READ(READ(task, group_leader), start_boottime);
	cgroup = READ(READ(task, cgroups), dfl_cgrp);
	for (int level = 0; level < AEGIS_CGROUP_LEVELS && cgroup; level++) {
		const struct cgroup_subsys_state *above = READ(cgroup, self.parent);

		record.cgroup = READ(READ(cgroup, kn), id);
		if (bpf_seq_write(ctx->meta->seq, &record, sizeof(record)))
			return 1;
		cgroup = above ? READ(above, cgroup) : NULL;
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
