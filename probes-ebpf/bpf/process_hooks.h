/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * The probes that follow processes. They decide nothing.
 *
 * bprm_committed_creds  a program has been started in a process: what it is, is recorded
 * task_alloc            a process is made: what is recorded of its parent is handed on
 * sched_process_fork    a process has been made, and has an id: the daemon is told
 * sched_process_exit    a process ends: the daemon is told
 */
#ifndef AEGIS_PROCESS_HOOKS_H
#define AEGIS_PROCESS_HOOKS_H

#include "tell.h"

SEC("lsm/bprm_committed_creds")
int aegis_bprm_committed_creds(uint64_t *ctx)
{
	const struct linux_binprm *program = (const void *)ctx[0];
	const struct file *file = READ(program, file);

	record_exec((uint64_t)file);
	/* The arguments are in the new memory, and not where they will be. */
	tell_exec((uint64_t)file, READ(program, p), READ(program, argc));
	return 0;
}

SEC("lsm/task_alloc")
int aegis_task_alloc(uint64_t *ctx)
{
	/* Threads have the record of their first thread. */
	if (!(ctx[1] & CLONE_THREAD))
		record_fork((struct task_struct *)ctx[0]);
	/* allow: nothing is decided here, and what could not be recorded is unknown */
	return 0;
}

SEC("tp_btf/sched_process_fork")
int aegis_sched_process_fork(uint64_t *ctx)
{
	const struct task_struct *child = (const void *)ctx[1];

	if (READ(child, group_leader) == child)
		tell_fork(child);
	return 0;
}

#endif
