/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * The probes that follow processes. They decide nothing.
 *
 * bprm_committed_creds  a program has been started in a process: what it is, is recorded
 * task_alloc            a process is made: what is recorded of its parent is handed on
 */
#ifndef AEGIS_PROCESS_HOOKS_H
#define AEGIS_PROCESS_HOOKS_H

#include "lineage.h"

SEC("lsm/bprm_committed_creds")
int aegis_bprm_committed_creds(uint64_t *ctx)
{
	record_exec(READ((const struct linux_binprm *)ctx[0], file));
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

#endif
