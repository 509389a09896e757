/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * What becomes of an answer: counters, the proof of a self-check, the event. Nothing here changes a verdict.
 * The programs can be preempted in the middle by another task that runs the same code on the same CPU, so all
 * counts are atomic and the event is written straight into the ring, never into shared scratch.
 */
#ifndef AEGIS_REPORT_H
#define AEGIS_REPORT_H

#include "tables.h"
#include "accounts.h"
#include "lineage.h"
#include "path.h"

static __always_inline void write_subject(struct aegis_event *event)
{
	struct task_struct *task = bpf_get_current_task_btf();
	uint64_t ids = bpf_get_current_pid_tgid();
	uint64_t owner = bpf_get_current_uid_gid();

	event->pid = ids >> 32;
	event->tid = ids;
	event->start_time = task->group_leader->start_boottime;
	event->ppid = task->real_parent->tgid;
	event->parent_start_time = task->real_parent->group_leader->start_boottime;
	event->uid = owner;
	event->gid = owner >> 32;
	event->cgroup = bpf_get_current_cgroup_id();
	event->mount_namespace = task->nsproxy->mnt_ns->ns.inum;
	event->pid_namespace = task->nsproxy->pid_ns_for_children->ns.inum;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
}

static __always_inline void send(const struct aegis_request *request, const struct aegis_answer *answer,
				 struct aegis_counters *count)
{
	/* Taken before there is room: a number without an event is how the reader sees that one was dropped. */
	uint64_t sequence = COUNT(count->sequence) + 1;
	struct aegis_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	struct walk walk;

	if (!event) {
		COUNT(count->dropped);
		return;
	}
	event->abi_version = AEGIS_ABI_VERSION;
	event->kind = AEGIS_EVENT_DECISION;
	event->hook = request->hook;
	event->verdict = answer->verdict;
	event->reason = answer->reason;
	event->signal = answer->signal;
	event->cpu = bpf_get_smp_processor_id();
	event->generation = answer->generation;
	event->sequence = sequence;
	event->time_ns = bpf_ktime_get_boot_ns();
	event->operations = request->operations;
	event->rule = answer->rule;
	event->object = request->object;
	event->lineage = executable_of_current(&event->executable);
	event->reserved = 0;
	write_subject(event);
	walk = (struct walk){ .path = event->path, .dentry = request->side, .mnt = request->mount };
	event->flags = write_path(&walk) ? 0 : AEGIS_FLAG_PATH_CUT;
	event->path_bytes = walk.at;
	event->path_components = walk.components;
	bpf_ringbuf_submit(event, 0);
	COUNT(count->submitted);
}

static __always_inline void prove(const struct aegis_request *request, const struct aegis_answer *answer)
{
	/* On the stack: kernels up to 6.1 take keys from nowhere else in a function of its own. */
	uint32_t hook = request->hook;
	struct aegis_proof *proof = bpf_map_lookup_elem(&proofs, &hook);

	/* Other hooks are passed on the way to the one that is being proven. */
	if (!proof || answer->self_check != AEGIS_CHECK_HERE)
		return;
	proof->generation = answer->generation;
	proof->rule = answer->rule;
	proof->verdict = answer->verdict;
	proof->reason = answer->reason;
	proof->time_ns = bpf_ktime_get_boot_ns();
	/* Of what is to be made there is only the directory yet. */
	proof->object = request->object.ino ? request->object : request->parent;
	proof->token = answer->token;
}

/* Counts and reports an answer that is not plain "allow". */
AEGIS_SUBPROGRAM int report(const struct aegis_request *request, const struct aegis_answer *answer)
{
	/* The element of this CPU, on which the task stays until the program ends: what is counted here and the CPU
	 * that the event names belong together. */
	struct aegis_counters *count = bpf_map_lookup_elem(&counters, &first);
	uint32_t hook;

	/* The caller passes no NULL; the verifier, which looks at this function alone, does not know it. */
	if (!request || !answer)
		return 0;
	if (answer->self_check) {
		prove(request, answer);
		return 0;
	}
	/* A per-CPU array's only element is always there; the verifier does not know it. */
	if (!count)
		return 0;
	/* Read once: the bounds that the verifier sees are those of this value. */
	hook = *(const volatile uint16_t *)&request->hook;
	if (hook >= AEGIS_HOOKS)
		return 0;
	if (answer->reason >= AEGIS_REASON_TABLE_MISSING)
		COUNT(count->undecidable);
	if (answer->reason == AEGIS_REASON_SURVIVAL)
		COUNT(count->survived);
	if (answer->reason == AEGIS_REASON_EXEMPT)
		COUNT(count->exempted);
	if (answer->verdict == AEGIS_VERDICT_ALLOW)
		return 0;
	if (answer->verdict == AEGIS_VERDICT_DENY)
		COUNT(count->denied[hook]);
	else
		COUNT(count->audited[hook]);
	count_hit(answer);
	COUNT(count->reported);
	if (folded(request, answer))
		return 0;
	send(request, answer, count);
	return 0;
}

#endif
