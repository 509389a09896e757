/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * All maps, and how decide.h reaches them in the kernel.
 *
 * The tables of a generation are inner maps of two-bank maps of maps. They are filled, read back and frozen
 * before they are placed, and never changed in place. `active` says which generation is in force; user space
 * writes it through mapped memory as one 64-bit store. The rest outlives generations.
 */
#ifndef AEGIS_TABLES_H
#define AEGIS_TABLES_H

#include "kernel.h"
#include "described.h"
#include "request.h"

/* The templates of inner maps: sizes are those of the policy, type and flags must be these. Keys and values are
 * given by size, as BTF only declares, but does not describe, types that far behind pointers. */
#define HASH_OF(table, key, value)                                                                             \
	struct table##_template {                                                                              \
		__uint(type, MAP_HASH);                                                                        \
		__uint(max_entries, 1);                                                                        \
		__uint(key_size, sizeof(key));                                                                 \
		__uint(value_size, sizeof(value));                                                             \
	}

#define ARRAY_OF(table, value)                                                                                 \
	struct table##_template {                                                                              \
		__uint(type, MAP_ARRAY);                                                                       \
		__uint(max_entries, 1);                                                                        \
		__uint(map_flags, MAP_INNER);                                                                  \
		__uint(key_size, sizeof(uint32_t));                                                            \
		__uint(value_size, sizeof(value));                                                             \
	}

HASH_OF(objects, struct aegis_inode_number, struct aegis_entry);
HASH_OF(slots, struct aegis_slot_key, struct aegis_entry);
ARRAY_OF(rows, struct aegis_row);
ARRAY_OF(rules, struct aegis_rule_info);
HASH_OF(exempt, uint64_t, struct aegis_exempt);
ARRAY_OF(conditions, struct aegis_condition);
HASH_OF(members, struct aegis_member_key, struct aegis_member);
ARRAY_OF(ranges, struct aegis_range);

/* One entry whatever the policy: without MAP_INNER the kernel inlines the look-up. */
struct generations_template {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(uint32_t));
	__uint(value_size, sizeof(struct aegis_generation_info));
};

#define BANKED(table)                                                                                          \
	struct {                                                                                               \
		__uint(type, MAP_ARRAY_OF_MAPS);                                                               \
		__uint(max_entries, AEGIS_BANKS);                                                              \
		__type(key, uint32_t);                                                                         \
		__array(values, struct table##_template);                                                      \
	} table SEC(".maps")

BANKED(objects);
BANKED(slots);
BANKED(rows);
BANKED(rules);
BANKED(exempt);
BANKED(conditions);
BANKED(members);
BANKED(ranges);
BANKED(generations);

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, MAP_MMAPABLE);
	__type(key, uint32_t);
	__type(value, struct aegis_active);
} active SEC(".maps");

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct aegis_identity);
} identity SEC(".maps");

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct aegis_self_check);
} self_check SEC(".maps");

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, AEGIS_HOOKS);
	__type(key, uint32_t);
	__type(value, struct aegis_proof);
} proofs SEC(".maps");

struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, MAP_NO_PREALLOC);
	__type(key, struct aegis_survival_key);
	__type(value, struct aegis_survival);
} survival SEC(".maps");

/* The daemon's alone; no probe looks at it. */
struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct aegis_accepted);
} accepted SEC(".maps");

struct {
	__uint(type, MAP_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct aegis_counters);
} counters SEC(".maps");

/* The loader sets the size. */
struct {
	__uint(type, MAP_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

/* For the daemon: what a name stands for changes. When it is full, a notice that waits says enough. */
struct {
	__uint(type, MAP_RINGBUF);
	__uint(max_entries, 4096);
} notices SEC(".maps");

/* For the daemon: what happens to processes. When it is full the daemon knows less of who acts, and nothing else depends on
 * it. */
struct {
	__uint(type, MAP_RINGBUF);
	__uint(max_entries, 1 << 20);
} process_events SEC(".maps");

/* What tests set when they load the probes. Else these are constants, and what depends on them is not there. */
const volatile uint32_t test_force = AEGIS_FORCE_NONE;
const volatile uint32_t test_pause = 0;

static __always_inline uint32_t aegis_forced(const void *side)
{
	return test_force;
}

/* The kernel's own loop: the verifier looks at one step, not at all sequences of steps. */
#define aegis_loop(times, step, context) bpf_loop(times, step, context, 0)

static long pause_step(uint64_t step, void *context)
{
	return 0;
}

static __always_inline void aegis_pause(const void *side)
{
	if (test_pause)
		aegis_loop(test_pause, pause_step, NULL);
}

/* Fills in a key from an inode, which may be NULL or unreadable: then the key is that of nothing. */
static __always_inline void identify(struct aegis_object_key *key, const struct inode *inode)
{
	key->ino = READ(inode, i_ino);
	key->dev = READ(READ(inode, i_sb), s_dev);
	key->inode_generation = READ(inode, i_generation);
}

static const uint32_t first = 0;

static __always_inline struct aegis_active aegis_active(const void *side)
{
	struct aegis_active none = {};
	const struct aegis_active *value = bpf_map_lookup_elem(&active, &first);
	union {
		uint64_t word;
		struct aegis_active active;
	} now;

	/* An array's only element is always there; the verifier does not know it. */
	if (!value)
		return none;
	/* One load, as the flip is one store: a generation and its operations belong together. */
	now.word = *(const volatile uint64_t *)value;
	return now.active;
}

static __always_inline const struct aegis_self_check *aegis_self_check(const void *side)
{
	const struct aegis_self_check *check = bpf_map_lookup_elem(&self_check, &first);
	struct task_struct *task;

	if (!check || !check->pid || check->pid != bpf_get_current_pid_tgid() >> 32)
		return NULL;
	task = bpf_get_current_task_btf();
	return task->group_leader->start_boottime == check->start_time ? check : NULL;
}

/* The bank of a table, NULL if it was never filled. */
static __always_inline const struct aegis_generation_info *aegis_generation(const void *side, uint32_t bank)
{
	void *table = bpf_map_lookup_elem(&generations, &bank);

	return table ? bpf_map_lookup_elem(table, &first) : NULL;
}

static __always_inline void *aegis_objects(const void *side, uint32_t bank)
{
	return bpf_map_lookup_elem(&objects, &bank);
}

static __always_inline void *aegis_slots(const void *side, uint32_t bank)
{
	return bpf_map_lookup_elem(&slots, &bank);
}

static __always_inline void *aegis_rows(const void *side, const uint32_t *bank)
{
	return bpf_map_lookup_elem(&rows, bank);
}

static __always_inline void *aegis_conditions(const void *side, uint32_t bank)
{
	return bpf_map_lookup_elem(&conditions, &bank);
}

static __always_inline void *aegis_members(const void *side, uint32_t bank)
{
	return bpf_map_lookup_elem(&members, &bank);
}

static __always_inline void *aegis_ranges(const void *side, uint32_t bank)
{
	return bpf_map_lookup_elem(&ranges, &bank);
}

static __always_inline const struct aegis_entry *aegis_object(void *table, const struct aegis_inode_number *key)
{
	return bpf_map_lookup_elem(table, key);
}

static __always_inline const struct aegis_entry *aegis_slot(void *table, const struct aegis_slot_key *key)
{
	return bpf_map_lookup_elem(table, key);
}

static __always_inline const struct aegis_row *aegis_row(void *table, uint32_t index)
{
	return bpf_map_lookup_elem(table, &index);
}

static __always_inline const struct aegis_condition *aegis_condition(void *table, uint32_t index)
{
	return bpf_map_lookup_elem(table, &index);
}

static __always_inline const struct aegis_range *aegis_range(void *table, uint32_t index)
{
	return bpf_map_lookup_elem(table, &index);
}

static __always_inline const struct aegis_member *aegis_member(void *table, const struct aegis_member_key *key)
{
	return bpf_map_lookup_elem(table, key);
}

#endif
