// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Tells user space the object keys of files that it has open.
 *
 * iter/task_file       one record for each descriptor of the task that the iterator is limited to
 * iter/task            one record for that task itself, as /proc knows its start time only in ticks
 *
 * stat() cannot serve: on btrfs and overlayfs its numbers are not those of the inode, and it knows no inode
 * generation. Whoever reads opens with O_PATH, so no file is really opened for this.
 */
#include "iterated.h"
#include "described.h"

SEC("iter/task_file")
int aegis_resolve(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct aegis_resolved record = {};

	/* The last call of an iteration has no file. */
	if (!file)
		return 0;
	record.descriptor = ctx->fd;
	record.object.ino = file->f_inode->i_ino;
	record.object.dev = file->f_inode->i_sb->s_dev;
	record.object.inode_generation = file->f_inode->i_generation;
	/* Fails when the buffer of this read is full; the kernel then calls again for the same file. */
	return bpf_seq_write(ctx->meta->seq, &record, sizeof(record)) ? 1 : 0;
}

SEC("iter/task")
int aegis_process(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct aegis_process record = {};

	/* The last call of an iteration has no task. */
	if (!task)
		return 0;
	record.pid = task->tgid;
	record.start_time = task->group_leader->start_boottime;
	return bpf_seq_write(ctx->meta->seq, &record, sizeof(record)) ? 1 : 0;
}

char LICENSE[] SEC("license") = "GPL";
