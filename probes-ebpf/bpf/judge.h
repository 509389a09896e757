/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * Whether a row is about who asks: its conditions, as plain C without a helper call. Part of decide.h, which says how
 * it is compiled twice. Each side defines, beside what is listed there:
 *   aegis_conditions(side, bank)          a table, NULL if missing; likewise aegis_members, aegis_ranges
 *   aegis_condition(table, index)         an entry, NULL if there is none; likewise aegis_range
 *   aegis_member(table, key)              an entry, NULL if there is none
 *   aegis_lineage(side)                   what is recorded of the process, NULL if nothing is
 *   aegis_has_no_exe(side)                whether the process is one of the kernel's own
 *   aegis_number_of(side, asked)          the user, the group, or a namespace
 *   aegis_cgroup(side, level)             the cgroup at a level from the root, 0 below the last
 *
 * A condition holds, does not, or it is not known whether it does. What is not known never lets anybody through: a
 * row that is about somebody counts, an exception does not, and the answer says that the subject was unknown.
 */
#ifndef AEGIS_JUDGE_H
#define AEGIS_JUDGE_H

#include "request.h"

/* In the order in which the stronger comes later, where one that holds is enough. */
enum aegis_holds { AEGIS_NOT, AEGIS_UNKNOWN, AEGIS_HOLDS };

/* A list that is looked through: of ranges, cgroups or ancestors. */
struct aegis_search {
	const void *side;
	void *table;
	uint32_t generation;
	/* As aegis_holds, or above these why it cannot be told. */
	uint32_t result;
	/* What is looked for among members, or in the ranges from the first one on. */
	union {
		struct aegis_member_key key;
		struct {
			uint32_t first;
			uint32_t number;
		};
	};
};

/* The conditions of a row while they are judged. */
struct aegis_judging {
	const struct aegis_request *request;
	uint32_t generation;
	uint32_t first;
	/* As aegis_holds: of the best of those of which one must hold. */
	uint8_t when;
	uint8_t has_when;
	uint8_t is_unknown;
	uint8_t is_not;
	/* AEGIS_REASON_NONE, or why the request is undecidable. */
	uint8_t failed;
};

/* Failures of a search stand above what it can find. */
#define AEGIS_FAILED(reason) (16 + (reason))

static __always_inline uint32_t aegis_look_up(struct aegis_search *search)
{
	const struct aegis_member *member = aegis_member(search->table, &search->key);

	if (!member)
		return AEGIS_NOT;
	return member->generation == search->generation ? AEGIS_HOLDS : AEGIS_FAILED(AEGIS_REASON_MIXED_GENERATIONS);
}

/* Whether a file that something was started from is in the list: by itself, or by the name it had. */
static __always_inline uint32_t aegis_look_up_image(struct aegis_search *search, const struct aegis_image *image)
{
	uint32_t result;

	search->key.member = image->file;
	search->key.kind &= ~AEGIS_MEMBER_NAME;
	result = aegis_look_up(search);
	if (result != AEGIS_NOT || !image->name)
		return result;
	search->key.member.ino = image->name;
	search->key.member.dev = 0;
	search->key.member.inode_generation = 0;
	search->key.kind |= AEGIS_MEMBER_NAME;
	return aegis_look_up(search);
}

static long aegis_range_step(uint64_t number, struct aegis_search *search)
{
	const struct aegis_range *range = aegis_range(search->table, search->first + number);

	if (!range) {
		search->result = AEGIS_FAILED(AEGIS_REASON_TABLE_MISSING);
		return 1;
	}
	if (range->generation != search->generation) {
		search->result = AEGIS_FAILED(AEGIS_REASON_MIXED_GENERATIONS);
		return 1;
	}
	if (search->number < range->first || search->number > range->last)
		return 0;
	search->result = AEGIS_HOLDS;
	return 1;
}

static long aegis_cgroup_step(uint64_t level, struct aegis_search *search)
{
	search->key.member.ino = aegis_cgroup(search->side, level);
	if (!search->key.member.ino)
		return 1;
	search->result = aegis_look_up(search);
	/* Deeper than is looked: what is wanted may be further down. */
	if (search->result == AEGIS_NOT && level == AEGIS_CGROUP_LEVELS - 1 &&
	    aegis_cgroup(search->side, AEGIS_CGROUP_LEVELS))
		search->result = AEGIS_UNKNOWN;
	return search->result != AEGIS_NOT;
}

static long aegis_ancestor_step(uint64_t number, struct aegis_search *search)
{
	const struct aegis_lineage *lineage = aegis_lineage(search->side);

	if (!lineage || number >= AEGIS_LINEAGE) {
		search->result = AEGIS_UNKNOWN;
		return 1;
	}
	search->result = aegis_look_up_image(search, &lineage->ancestors[number]);
	return search->result != AEGIS_NOT;
}

/* Asks for one kind of things. Returns as aegis_holds, or a failure. */
static __always_inline uint32_t aegis_search_lineage(struct aegis_search *search, uint32_t asked)
{
	const struct aegis_lineage *lineage = aegis_lineage(search->side);

	/* The kernel's own have no executable, and descend from nobody who has one. */
	if (!lineage && aegis_has_no_exe(search->side))
		return AEGIS_NOT;
	if (aegis_forced(search->side) == AEGIS_FORCE_SUBJECT_UNKNOWN || !lineage ||
	    !(lineage->flags & AEGIS_LINEAGE_KNOWN))
		return AEGIS_UNKNOWN;
	search->result = aegis_look_up_image(search, &lineage->exe);
	if (search->result != AEGIS_NOT || asked == AEGIS_ASKS_EXE)
		return search->result;
	aegis_loop(lineage->count, aegis_ancestor_step, search);
	return search->result == AEGIS_NOT && lineage->flags & AEGIS_LINEAGE_CUT ? AEGIS_UNKNOWN : search->result;
}

static __always_inline uint32_t aegis_search_number(struct aegis_search *search, uint32_t asked)
{
	search->key.member.ino = aegis_number_of(search->side, asked);
	/* Who is about to end has no namespaces any more. */
	return search->key.member.ino ? aegis_look_up(search) : AEGIS_UNKNOWN;
}

static __always_inline uint32_t aegis_search_ranges(struct aegis_search *search, uint32_t asked, uint32_t first,
						    uint32_t count)
{
	search->table = aegis_ranges(search->side, search->generation & 1);
	if (!search->table || count > AEGIS_MAX_RANGES)
		return AEGIS_FAILED(AEGIS_REASON_TABLE_MISSING);
	search->first = first;
	search->number = aegis_number_of(search->side, asked);
	search->result = AEGIS_NOT;
	aegis_loop(count, aegis_range_step, search);
	return search->result;
}

/* Whether one kind of things that a condition asks for is as it wants. */
AEGIS_SUBPROGRAM int aegis_search_kind(const struct aegis_request *request, const struct aegis_condition *condition,
				       uint32_t generation, uint32_t asked)
{
	struct aegis_search search = { .generation = generation };

	/* The caller passes no NULL; the verifier, which looks at this function alone, does not know it. */
	if (!request || !condition)
		return AEGIS_FAILED(AEGIS_REASON_TABLE_MISSING);
	search.side = request->side;
	search.key.list = condition->list;
	search.key.kind = asked;
	if (asked == AEGIS_ASKS_UID)
		return aegis_search_ranges(&search, asked, condition->first_uid, condition->uid_count);
	if (asked == AEGIS_ASKS_GID)
		return aegis_search_ranges(&search, asked, condition->first_gid, condition->gid_count);
	search.table = aegis_members(request->side, generation & 1);
	if (aegis_forced(request->side) == AEGIS_FORCE_MEMBERS_MISSING || !search.table)
		return AEGIS_FAILED(AEGIS_REASON_TABLE_MISSING);
	if (asked & (AEGIS_ASKS_EXE | AEGIS_ASKS_ANCESTOR))
		return aegis_search_lineage(&search, asked);
	if (asked != AEGIS_ASKS_CGROUP)
		return aegis_search_number(&search, asked);
	aegis_loop(AEGIS_CGROUP_LEVELS, aegis_cgroup_step, &search);
	return search.result;
}

#define AEGIS_ASKS_KINDS 8

/* Judges one condition. Returns whether to stop. */
static long aegis_judge_step(uint64_t number, struct aegis_judging *judging)
{
	void *conditions = aegis_conditions(judging->request->side, judging->generation & 1);
	const struct aegis_condition *condition;
	uint32_t holds = AEGIS_HOLDS;

	condition = conditions ? aegis_condition(conditions, judging->first + number) : NULL;
	if (aegis_forced(judging->request->side) == AEGIS_FORCE_CONDITION_MISSING || !condition) {
		judging->failed = AEGIS_REASON_TABLE_MISSING;
		return 1;
	}
	if (condition->generation != judging->generation) {
		judging->failed = AEGIS_REASON_MIXED_GENERATIONS;
		return 1;
	}
	AEGIS_AS_A_LOOP
	for (int kind = 0; kind < AEGIS_ASKS_KINDS && holds != AEGIS_NOT; kind++) {
		uint32_t found = AEGIS_HOLDS;

		if (condition->asks & 1 << kind)
			found = aegis_search_kind(judging->request, condition, judging->generation, 1 << kind);
		if (found > AEGIS_HOLDS) {
			judging->failed = found - AEGIS_FAILED(0);
			return 1;
		}
		holds = found < holds ? found : holds;
	}
	if (condition->role == AEGIS_ROLE_WHEN) {
		judging->has_when = 1;
		judging->when = holds > judging->when ? holds : judging->when;
		return 0;
	}
	if (holds == AEGIS_UNKNOWN)
		judging->is_unknown = 1;
	judging->is_not = condition->role == AEGIS_ROLE_SCOPE ? holds == AEGIS_NOT : holds == AEGIS_HOLDS;
	return judging->is_not != 0;
}

/* Whether a row is about who asks, as aegis_holds, or a failure. */
static __always_inline uint32_t aegis_judge(const struct aegis_request *request, const struct aegis_row *row,
					    uint32_t generation)
{
	struct aegis_judging judging = {
		.request = request, .generation = generation, .first = row->first_condition,
	};

	if (row->condition_count > AEGIS_MAX_CONDITIONS)
		return AEGIS_FAILED(AEGIS_REASON_TOO_MANY_ROWS);
	aegis_loop(row->condition_count, aegis_judge_step, &judging);
	if (judging.failed)
		return AEGIS_FAILED(judging.failed);
	if (judging.is_not || (judging.has_when && judging.when == AEGIS_NOT))
		return AEGIS_NOT;
	return judging.is_unknown || (judging.has_when && judging.when == AEGIS_UNKNOWN) ? AEGIS_UNKNOWN : AEGIS_HOLDS;
}

#endif
