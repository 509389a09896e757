/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * What the daemon is told of processes, so that records can say who acts. No decision depends on it, and nothing waits: what
 * finds no room is counted.
 */
#ifndef AEGIS_TELL_H
#define AEGIS_TELL_H

#include "accounts.h"
#include "lineage.h"
#include "path.h"

/* Room for one more argument of any length must be left where it is written. */
#define LAST_ARGUMENT (AEGIS_ARGV_BYTES - AEGIS_ARGUMENT_BYTES)

/* A walk over the arguments of a program that has been started. */
struct arguments {
	/* AEGIS_ARGV_BYTES in the ring. */
	unsigned char *argv;
	/* Where the next one is in the memory of the process. */
	uint64_t from;
	uint64_t at;
	int is_cut;
};

static long argument_step(uint64_t number, struct arguments *arguments)
{
	uint64_t at = arguments->at;
	long length;

	/* The value that is compared is the one that is used: older verifiers lose the bounds otherwise. */
	asm volatile("" : "+r"(at));
	if (at > LAST_ARGUMENT) {
		arguments->is_cut = 1;
		return STOP;
	}
	length = bpf_probe_read_user_str(arguments->argv + at, AEGIS_ARGUMENT_BYTES, (const void *)arguments->from);
	/* Not in memory; or longer than there is room for, and then where the next one begins is not known. */
	if (length <= 0 || length > AEGIS_ARGUMENT_BYTES) {
		arguments->is_cut = 1;
		return STOP;
	}
	arguments->at = at + length;
	if (length == AEGIS_ARGUMENT_BYTES) {
		arguments->is_cut = 1;
		return STOP;
	}
	arguments->from += length;
	return GO_ON;
}

static __always_inline void begin(struct aegis_process_event *event, uint8_t kind)
{
	event->abi_version = AEGIS_ABI_VERSION;
	event->kind = kind;
	event->flags = 0;
	event->time_ns = bpf_ktime_get_boot_ns();
	event->lineage = executable_of_current(&event->executable);
}

/* Tells that the current process is now what was started. The arguments are at an address in its memory. */
AEGIS_SUBPROGRAM int tell_exec(uint64_t address, uint64_t from, uint32_t count)
{
	struct aegis_exec_event *event = bpf_ringbuf_reserve(&process_events, sizeof(*event), 0);
	struct task_struct *task = bpf_get_current_task_btf();
	const struct file *file = (const void *)address;
	struct arguments arguments = { .from = from };
	struct walk walk = {};

	if (!event) {
		COUNT_HERE(untold);
		return 0;
	}
	begin(&event->process, AEGIS_PROCESS_EXEC);
	event->process.pid = task->tgid;
	event->process.start_time = task->group_leader->start_boottime;
	event->process.maker = 0;
	event->process.maker_start_time = 0;
	walk.path = event->path;
	walk.dentry = READ(file, f_path.dentry);
	walk.mnt = READ(file, f_path.mnt);
	if (!write_path(&walk))
		event->process.flags |= AEGIS_PROCESS_PATH_CUT;
	event->path_bytes = walk.at;
	event->path_components = walk.components;
	arguments.argv = event->argv;
	bpf_loop(count < AEGIS_ARGUMENTS ? count : AEGIS_ARGUMENTS, argument_step, &arguments, 0);
	if (arguments.is_cut || count > AEGIS_ARGUMENTS)
		event->process.flags |= AEGIS_PROCESS_ARGV_CUT;
	event->argv_bytes = arguments.at;
	event->reserved = 0;
	bpf_ringbuf_submit(event, NO_WAKEUP);
	return 0;
}

/* Tells that the current process has made another. */
static __always_inline void tell_fork(const struct task_struct *child)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct aegis_process_event *event = bpf_ringbuf_reserve(&process_events, sizeof(*event), 0);

	if (!event) {
		COUNT_HERE(untold);
		return;
	}
	begin(event, AEGIS_PROCESS_FORK);
	event->pid = READ(child, tgid);
	event->start_time = READ(child, start_boottime);
	event->maker = task->tgid;
	event->maker_start_time = task->group_leader->start_boottime;
	bpf_ringbuf_submit(event, NO_WAKEUP);
}

/* Tells that the current process ends, when its last thread does. */
static __always_inline void tell_exit(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct aegis_process_event *event;

	if (READ(READ(task, signal), live.counter))
		return;
	event = bpf_ringbuf_reserve(&process_events, sizeof(*event), 0);
	if (!event) {
		COUNT_HERE(untold);
		return;
	}
	begin(event, AEGIS_PROCESS_EXIT);
	event->pid = task->tgid;
	event->start_time = task->group_leader->start_boottime;
	event->maker = 0;
	event->maker_start_time = 0;
	bpf_ringbuf_submit(event, NO_WAKEUP);
}

SEC("tp_btf/sched_process_exit")
int aegis_sched_process_exit(uint64_t *ctx)
{
	tell_exit();
	return 0;
}

#endif
