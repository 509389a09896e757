/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * The accounts of what is reported: hits of each rule, folding of storms, and how far the reader has come.
 *
 * A storm is one decision over and over: the same rule, object, executable, operations. The first ones of each
 * second are sent, the others are counted, here and in `suppressed`; the reader makes summaries of the counts. No
 * error loses an event: what cannot be counted here is sent.
 */
#ifndef AEGIS_ACCOUNTS_H
#define AEGIS_ACCOUNTS_H

#include "tables.h"

#define COUNT(counter) __sync_fetch_and_add(&(counter), 1)
/* Read once, and not again where it is used: another task may change it in between. */
#define ONCE(value) (*(const volatile typeof(value) *)&(value))

#define SECOND 1000000000ULL

/* Not frozen, unlike the tables beside it: the counts of one generation, by rule number. */
ARRAY_OF(hits, uint64_t);
BANKED(hits);

/* When it is full the storm goes that was met least lately; its count stays in `suppressed`. */
struct {
	__uint(type, MAP_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct aegis_storm_key);
	__type(value, struct aegis_storm);
} storms SEC(".maps");

/* The reader's: twice as many as storms, as it removes only later those that are gone. When it is full, what is
 * told of a storm is told without naming it. */
struct {
	__uint(type, MAP_HASH);
	__uint(max_entries, 8192);
	__uint(map_flags, MAP_NO_PREALLOC);
	__type(key, struct aegis_storm_key);
	__type(value, struct aegis_summarised);
} summarised SEC(".maps");

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, MAP_MMAPABLE);
	__type(key, uint32_t);
	__type(value, struct aegis_ledger);
} ledger SEC(".maps");

/* The reader's. The loader sets the size: one for each CPU that the host can have. */
struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, MAP_MMAPABLE);
	__type(key, uint32_t);
	__type(value, struct aegis_reader_mark);
} reader SEC(".maps");

/* Counts something on this CPU. A per-CPU array's only element is always there; the verifier does not know it. */
#define COUNT_HERE(counter)                                                                                    \
	do {                                                                                                   \
		struct aegis_counters *here__ = bpf_map_lookup_elem(&counters, &first);                        \
                                                                                                               \
		if (here__)                                                                                    \
			COUNT(here__->counter);                                                                \
	} while (0)

static __always_inline void count_hit(const struct aegis_answer *answer)
{
	uint32_t bank = answer->generation & 1, rule = answer->rule;
	void *table = bpf_map_lookup_elem(&hits, &bank);
	uint64_t *hit = table ? bpf_map_lookup_elem(table, &rule) : NULL;

	/* There is none if no single rule caused the answer. */
	if (hit)
		COUNT(*hit);
}

static __always_inline void storm_key(struct aegis_storm_key *key, const struct aegis_request *request,
				      const struct aegis_answer *answer)
{
	struct task_struct *task = bpf_get_current_task_btf();

	/* What is yet to be made has no identity: its directory stands for it. */
	key->object = request->object.ino ? request->object : request->parent;
	/* NULL for threads of the kernel: then the key is that of nothing. */
	identify(&key->executable, READ(READ(task->mm, exe_file), f_inode));
	key->generation = answer->generation;
	key->rule = answer->rule;
	key->operations = request->operations;
	key->hook = request->hook;
	key->verdict = answer->verdict;
	key->reason = answer->reason;
}

/* Whether an answer is folded: counted instead of sent. Two tasks that begin a new second at once may send a few
 * more or fewer than the limit; what is not sent is always counted. */
AEGIS_SUBPROGRAM int folded(const struct aegis_request *request, const struct aegis_answer *answer)
{
	struct aegis_counters *count = bpf_map_lookup_elem(&counters, &first);
	const struct aegis_ledger *own = bpf_map_lookup_elem(&ledger, &first);
	struct aegis_storm_key key = {};
	uint64_t now = bpf_ktime_get_boot_ns(), limit, window;
	struct aegis_storm fresh = { .since = now, .window = now, .in_window = 1 };
	struct aegis_storm *storm;

	/* The caller passes no NULL, and the elements are always there; the verifier does not know it. */
	if (!request || !answer || !count || !own)
		return 0;
	limit = ONCE(own->events_per_second);
	/* Nothing is folded. */
	if (!limit)
		return 0;
	storm_key(&key, request, answer);
	storm = bpf_map_lookup_elem(&storms, &key);
	if (!storm) {
		/* The first of its kind is sent. */
		if (!bpf_map_update_elem(&storms, &key, &fresh, NEW_ELEMENT))
			return 0;
		/* Another task was quicker, or the table is busy. */
		storm = bpf_map_lookup_elem(&storms, &key);
		if (!storm)
			return 0;
	}
	window = ONCE(storm->window);
	/* The other way round if another task has begun the next second meanwhile. */
	if (now > window && now - window >= SECOND &&
	    __sync_val_compare_and_swap(&storm->window, window, now) == window) {
		*(volatile uint64_t *)&storm->in_window = 1;
		return 0;
	}
	if (COUNT(storm->in_window) < limit)
		return 0;
	/* First the sum and then its part: who reads the parts first never finds more in them than in the sum. */
	COUNT(count->suppressed);
	COUNT(storm->suppressed);
	storm->last = now;
	return 1;
}

#endif
