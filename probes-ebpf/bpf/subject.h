/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * Who asks, as far as a decision needs it: the survival list and the exempt cgroups. Only asked when a rule,
 * or an error, speaks against a request; nothing here can fail other than towards "not on the list".
 */
#ifndef AEGIS_SUBJECT_H
#define AEGIS_SUBJECT_H

#include "lineage.h"

/* Levels of the cgroup tree that are looked at, from the root. A cgroup below the last of them is not found to
 * be exempt or surviving by itself, but by what is above it: that errs towards deny. */
#define CGROUP_LEVELS AEGIS_CGROUP_LEVELS

static __always_inline int survives(const struct aegis_survival_key *key, uint32_t operations)
{
	const struct aegis_survival *value = bpf_map_lookup_elem(&survival, key);

	return value && (value->operations & operations) == operations;
}

/* A walk down the cgroups that the current task is in, from the root. */
struct cgroup_walk {
	struct aegis_survival_key key;
	uint32_t operations;
	uint32_t generation;
	void *table;
	int found;
};

static long survivor_step(uint64_t level, struct cgroup_walk *walk)
{
	walk->key.object.ino = bpf_get_current_ancestor_cgroup_id(level);
	walk->found = walk->key.object.ino && survives(&walk->key, walk->operations);
	return !walk->key.object.ino || walk->found;
}

AEGIS_SUBPROGRAM int aegis_survivor(const struct aegis_request *request)
{
	struct task_struct *task = bpf_get_current_task_btf();
	uint32_t pid = bpf_get_current_pid_tgid() >> 32;
	struct cgroup_walk walk = { .key.kind = AEGIS_SURVIVAL_OBJECT };

	/* The caller passes no NULL; the verifier, which looks at this function alone, does not know it. */
	if (!request)
		return 0;
	walk.operations = request->operations;
	walk.key.object = request->object;
	/* Without PID 1 there is no host. */
	if (pid == 1 || survives(&walk.key, walk.operations))
		return 1;
	/* Below an overlay the request is about the real file; the list knows the overlay's. */
	identify(&walk.key.object, READ((const struct dentry *)request->side, d_inode));
	if (survives(&walk.key, walk.operations))
		return 1;
	walk.key.kind = AEGIS_SURVIVAL_PROCESS;
	walk.key.object.ino = task->group_leader->start_boottime;
	walk.key.object.dev = pid;
	walk.key.object.inode_generation = 0;
	if (survives(&walk.key, walk.operations))
		return 1;
	walk.key.kind = AEGIS_SURVIVAL_CGROUP;
	walk.key.object.dev = 0;
	aegis_loop(CGROUP_LEVELS, survivor_step, &walk);
	return walk.found;
}

static long exempt_step(uint64_t level, struct cgroup_walk *walk)
{
	uint64_t id = bpf_get_current_ancestor_cgroup_id(level);
	const struct aegis_exempt *value;

	if (!id)
		return 1;
	value = bpf_map_lookup_elem(walk->table, &id);
	walk->found = value && value->generation == walk->generation;
	return walk->found;
}

AEGIS_SUBPROGRAM int aegis_exempt(const struct aegis_request *request, uint32_t generation)
{
	uint32_t bank = generation & 1;
	struct cgroup_walk walk = { .generation = generation, .table = bpf_map_lookup_elem(&exempt, &bank) };

	/* The argument is looked at so that the compiler passes it: the verifier wants it. */
	if (!request || !walk.table)
		return 0;
	aegis_loop(CGROUP_LEVELS, exempt_step, &walk);
	return walk.found;
}

static __always_inline const struct aegis_lineage *aegis_lineage(const void *side)
{
	return lineage_of_current(0);
}

static __always_inline int aegis_has_no_exe(const void *side)
{
	return bpf_get_current_task_btf()->flags & PF_KTHREAD;
}

/* The number of the pid namespace that a task is in. */
static __always_inline uint32_t pid_namespace_of(const struct task_struct *task)
{
	const struct pid *pid = READ(task, thread_pid);
	const struct upid *numbers = (const void *)pid + OFFSET_OF(struct pid, numbers);

	return pid ? READ(READ(numbers + READ(pid, level), ns), ns.inum) : 0;
}

static __always_inline uint32_t aegis_number_of(const void *side, uint32_t asked)
{
	const struct task_struct *task = bpf_get_current_task_btf();
	const struct cred *cred = READ(task, cred);

	switch (asked) {
	case AEGIS_ASKS_UID:
		return READ(cred, euid.val);
	case AEGIS_ASKS_GID:
		return READ(cred, egid.val);
	case AEGIS_ASKS_USER_NS:
		return READ(READ(cred, user_ns), ns.inum);
	case AEGIS_ASKS_PID_NS:
		return pid_namespace_of(task);
	}
	return READ(READ(READ(task, nsproxy), mnt_ns), ns.inum);
}

static __always_inline uint64_t aegis_cgroup(const void *side, uint32_t level)
{
	return bpf_get_current_ancestor_cgroup_id(level);
}

#endif
