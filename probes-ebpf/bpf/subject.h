/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * Who asks, as far as a decision needs it: the survival list and the exempt cgroups. Only asked when a rule,
 * or an error, speaks against a request; nothing here can fail other than towards "not on the list".
 */
#ifndef AEGIS_SUBJECT_H
#define AEGIS_SUBJECT_H

#include "tables.h"

/* Levels of the cgroup tree that are looked at, from the root. A cgroup below the last of them is not found to
 * be exempt or surviving by itself, but by what is above it: that errs towards deny. */
#define CGROUP_LEVELS 32

static __always_inline int survives(const struct aegis_survival_key *key, uint32_t operations)
{
	const struct aegis_survival *value = bpf_map_lookup_elem(&survival, key);

	return value && (value->operations & operations) == operations;
}

AEGIS_SUBPROGRAM int aegis_survivor(const struct aegis_request *request)
{
	struct task_struct *task = bpf_get_current_task_btf();
	uint32_t pid = bpf_get_current_pid_tgid() >> 32;
	struct aegis_survival_key key = { .kind = AEGIS_SURVIVAL_OBJECT };

	/* The caller passes no NULL; the verifier, which looks at this function alone, does not know it. */
	if (!request)
		return 0;
	key.object = request->object;
	/* Without PID 1 there is no host. */
	if (pid == 1 || survives(&key, request->operations))
		return 1;
	/* Below an overlay the request is about the real file; the list knows the overlay's. */
	identify(&key.object, READ((const struct dentry *)request->side, d_inode));
	if (survives(&key, request->operations))
		return 1;
	key.kind = AEGIS_SURVIVAL_PROCESS;
	key.object.ino = task->group_leader->start_boottime;
	key.object.dev = pid;
	key.object.inode_generation = 0;
	if (survives(&key, request->operations))
		return 1;
	key.kind = AEGIS_SURVIVAL_CGROUP;
	key.object.dev = 0;
	for (int level = 0; level < CGROUP_LEVELS; level++) {
		key.object.ino = bpf_get_current_ancestor_cgroup_id(level);
		if (!key.object.ino)
			break;
		if (survives(&key, request->operations))
			return 1;
	}
	return 0;
}

AEGIS_SUBPROGRAM int aegis_exempt(const struct aegis_request *request, uint32_t generation)
{
	uint32_t bank = generation & 1;
	void *table = bpf_map_lookup_elem(&exempt, &bank);

	/* The argument is looked at so that the compiler passes it: the verifier wants it. */
	if (!request || !table)
		return 0;
	for (int level = 0; level < CGROUP_LEVELS; level++) {
		uint64_t id = bpf_get_current_ancestor_cgroup_id(level);
		const struct aegis_exempt *value;

		if (!id)
			break;
		value = bpf_map_lookup_elem(table, &id);
		if (value && value->generation == generation)
			return 1;
	}
	return 0;
}

#endif
