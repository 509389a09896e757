/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * The whole decision, as plain C without a helper call. It is compiled twice: into the probes, and into a
 * library that simulation and the tests call, so that what is simulated is what the kernel runs.
 *
 * Each side defines, before including this file, how tables are reached:
 *   aegis_active(side)                    the generation in force, read once
 *   aegis_self_check(side)                the self-check in progress if the current task makes it, else NULL
 *   aegis_generation(side, bank)          the generation's description, NULL if missing
 *   aegis_objects(side, bank)             a table, NULL if missing; likewise aegis_slots, aegis_rows
 *   aegis_object(table, key)              an entry, NULL if there is none; likewise aegis_slot, aegis_row
 *   aegis_slot_key(request, known, key)   key of the name that was used; 0, or -1 if it cannot be read
 *   aegis_survivor(request)               whether the survival list names the object or the subject
 *   aegis_exempt(request, generation)     whether the subject is in an exempt cgroup
 *   aegis_loop(times, step, context)      calls step(number, context) from 0 on, until it returns 1
 *   aegis_forced(side)                    the error that a test forces, AEGIS_FORCE_NONE outside tests
 *   aegis_pause(side)                     takes time if a test wants it, so that generations change meanwhile
 *
 * `known` is what a caller of aegis_decide() hands on to aegis_slot_key(): the quickest way to the name.
 *
 * AEGIS_SUBPROGRAM stands before functions that the verifier shall check once, not at every call.
 *
 * Order: survival list, exempt cgroups, rules. The rules are looked at first because they seldom concern a
 * request; the lists before them are asked only when a rule, or an error, speaks against it. Every error is a
 * decision: see aegis_undecidable().
 */
#ifndef AEGIS_DECIDE_H
#define AEGIS_DECIDE_H

#include "request.h"

/* Whether an error is met, for real or because a test wants it. A self-check is never failed by force. */
#define AEGIS_ERROR(branch, condition)                                                                         \
	((!answer->self_check && aegis_forced(request->side) == (branch)) || (condition))

/* Takes a row into the answer if it is stronger: deny over audit, then the lower rule number, so that the rule
 * that is named does not depend on the order of rows. */
static __always_inline void aegis_weigh(struct aegis_answer *answer, const struct aegis_row *row, uint8_t reason)
{
	uint8_t verdict = row->mode == AEGIS_MODE_ENFORCE ? AEGIS_VERDICT_DENY : AEGIS_VERDICT_AUDIT;

	if (verdict < answer->verdict)
		return;
	if (verdict == answer->verdict && row->rule >= answer->rule)
		return;
	answer->verdict = verdict;
	answer->rule = row->rule;
	answer->signal = row->signal;
	answer->reason = reason;
}

/* Why a row answers. */
static __always_inline uint8_t aegis_row_reason(const struct aegis_row *row, int otherwise)
{
	if (row->flags & AEGIS_ROW_SELF_CHECK)
		return AEGIS_REASON_SELF_CHECK;
	return row->flags & AEGIS_ROW_ANCHOR ? AEGIS_REASON_ANCHOR : otherwise;
}

/* Takes a row that concerns the request into the answer. */
static __always_inline void aegis_take_row(struct aegis_answer *answer, const struct aegis_row *row, int reason)
{
	if (row->flags & (AEGIS_ROW_ANCHOR | AEGIS_ROW_FOLLOW))
		answer->notice = 1;
	/* Its rule follows what moves: nothing is decided. */
	if (row->flags & AEGIS_ROW_FOLLOW)
		return;
	aegis_weigh(answer, row, aegis_row_reason(row, reason));
}

/* Whether a row speaks about this request. */
static __always_inline int aegis_row_concerns(const struct aegis_request *request, const struct aegis_answer *answer,
					      const struct aegis_row *row, int same_inode)
{
	if (!(row->operations & request->operations))
		return 0;
	/* Who makes the self-check meets its own rows and no others; everyone else meets all but these. */
	if (row->flags & AEGIS_ROW_SELF_CHECK)
		return answer->self_check == AEGIS_CHECK_HERE;
	if (answer->self_check)
		return 0;
	return same_inode || (row->flags & AEGIS_ROW_ANY_INODE_GENERATION);
}

/* The rows of an entry while they are weighed. */
struct aegis_weighing {
	const struct aegis_request *request;
	struct aegis_answer *answer;
	void *rows;
	uint32_t first_row;
	int reason;
	int same_inode;
	/* AEGIS_REASON_NONE, or why the request is undecidable. */
	int failed;
};

/* Weighs one row. Returns whether to stop. */
static long aegis_weigh_row(uint64_t number, struct aegis_weighing *weighing)
{
	const struct aegis_request *request = weighing->request;
	struct aegis_answer *answer = weighing->answer;
	const struct aegis_row *row = aegis_row(weighing->rows, weighing->first_row + number);

	if (AEGIS_ERROR(AEGIS_FORCE_ROW_MISSING, !row)) {
		weighing->failed = AEGIS_REASON_TABLE_MISSING;
		return 1;
	}
	if (AEGIS_ERROR(AEGIS_FORCE_ROW_MIXED, row->generation != answer->generation)) {
		weighing->failed = AEGIS_REASON_MIXED_GENERATIONS;
		return 1;
	}
	if (aegis_row_concerns(request, answer, row, weighing->same_inode))
		aegis_take_row(answer, row, weighing->reason);
	return 0;
}

/* Weighs all rows of an entry. Returns AEGIS_REASON_NONE, or why the request is undecidable. */
AEGIS_SUBPROGRAM int aegis_weigh_entry(const struct aegis_request *request, struct aegis_answer *answer,
				       const struct aegis_entry *entry, int reason, int same_inode)
{
	struct aegis_weighing weighing = {
		.request = request, .answer = answer, .reason = reason, .same_inode = same_inode,
	};

	/* The callers pass no NULL; the verifier, which looks at this function alone, does not know it. */
	if (!request || !answer || !entry)
		return AEGIS_REASON_TABLE_MISSING;
	if (AEGIS_ERROR(AEGIS_FORCE_ENTRY_MIXED, entry->generation != answer->generation))
		return AEGIS_REASON_MIXED_GENERATIONS;
	if (AEGIS_ERROR(AEGIS_FORCE_TOO_MANY_ROWS, entry->row_count > AEGIS_MAX_ROWS))
		return AEGIS_REASON_TOO_MANY_ROWS;
	weighing.rows = aegis_rows(request->side, answer->generation & 1);
	if (AEGIS_ERROR(AEGIS_FORCE_ROWS_MISSING, !weighing.rows))
		return AEGIS_REASON_TABLE_MISSING;
	weighing.first_row = entry->first_row;
	aegis_loop(entry->row_count, aegis_weigh_row, &weighing);
	return weighing.failed;
}

/* The number of an object, by which `objects` is asked: its key without the inode generation behind it. */
static __always_inline const struct aegis_inode_number *aegis_number(const struct aegis_object_key *object)
{
	_Static_assert(__builtin_offsetof(struct aegis_object_key, dev) ==
		       __builtin_offsetof(struct aegis_inode_number, dev), "a number is how a key begins");
	return (const void *)object;
}

/* Asks the rules by the name that was used, in a directory that has slots. */
static __always_inline int aegis_ask_slot(const struct aegis_request *request, struct aegis_answer *answer,
					  const void *known)
{
	void *slots = aegis_slots(request->side, answer->generation & 1);
	struct aegis_slot_key key = {};
	const struct aegis_entry *entry;

	if (AEGIS_ERROR(AEGIS_FORCE_SLOTS_MISSING, !slots))
		return AEGIS_REASON_TABLE_MISSING;
	if (AEGIS_ERROR(AEGIS_FORCE_NAME_UNREADABLE, aegis_slot_key(request, known, &key)))
		return AEGIS_REASON_NAME_UNREADABLE;
	entry = aegis_slot(slots, &key);
	if (!entry)
		return AEGIS_REASON_NONE;
	/* Something else is about to stand in a protected name. */
	if (request->operations & AEGIS_ON_NAMES)
		answer->notice = 1;
	return aegis_weigh_entry(request, answer, entry, AEGIS_REASON_SLOT, 1);
}

/* Asks the rules: first by the identity of the object, then by the name that was used. */
static __always_inline int aegis_ask_rules(const struct aegis_request *request, struct aegis_answer *answer,
					   const void *known)
{
	const uint32_t bank = answer->generation & 1;
	const struct aegis_generation_info *info = aegis_generation(request->side, bank);
	struct aegis_object_key check = { .ino = AEGIS_SELF_CHECK_INO, .dev = AEGIS_SELF_CHECK_DEV };
	const struct aegis_entry *entry;
	void *objects;
	int failed;

	if (AEGIS_ERROR(AEGIS_FORCE_INFO_MISSING, !info))
		return AEGIS_REASON_TABLE_MISSING;
	if (AEGIS_ERROR(AEGIS_FORCE_INFO_MIXED, info->generation != answer->generation))
		return AEGIS_REASON_MIXED_GENERATIONS;
	/* No rule concerns these operations: nothing to look up. */
	if (!answer->self_check && !(info->operations & request->operations))
		return AEGIS_REASON_NONE;
	objects = aegis_objects(request->side, bank);
	if (AEGIS_ERROR(AEGIS_FORCE_OBJECTS_MISSING, !objects))
		return AEGIS_REASON_TABLE_MISSING;
	/* What is done by way of a self-check is decided as if it were done to the object of the self-check. */
	if (answer->self_check)
		entry = aegis_object(objects, aegis_number(&check));
	else
		entry = aegis_object(objects, aegis_number(&request->object));
	if (entry) {
		int same = entry->inode_generation == request->object.inode_generation;

		failed = aegis_weigh_entry(request, answer, entry, AEGIS_REASON_OBJECT, same);
		if (failed)
			return failed;
	}
	if (!(info->flags & AEGIS_GENERATION_HAS_SLOTS) || !request->parent.ino || answer->self_check)
		return AEGIS_REASON_NONE;
	entry = aegis_object(objects, aegis_number(&request->parent));
	if (!entry || !(entry->flags & AEGIS_ENTRY_HAS_SLOTS) ||
	    entry->inode_generation != request->parent.inode_generation)
		return AEGIS_REASON_NONE;
	if (AEGIS_ERROR(AEGIS_FORCE_PARENT_MIXED, entry->generation != answer->generation))
		return AEGIS_REASON_MIXED_GENERATIONS;
	aegis_pause(request->side);
	return aegis_ask_slot(request, answer, known);
}

/* A request on which the rules could not be asked to the end. What they said so far may be too weak, so: deny
 * if an enforcing rule of the generation could have matched the operation, with the error as the reason.
 * Otherwise no rule could have denied it, and it is allowed (or audited, as far as was found). */
static __always_inline void aegis_undecidable(const struct aegis_request *request, struct aegis_answer *answer,
					      uint32_t enforced_operations, uint8_t reason)
{
	if (enforced_operations & request->operations) {
		answer->verdict = AEGIS_VERDICT_DENY;
		answer->rule = AEGIS_RULE_NONE;
		answer->signal = 0;
	}
	answer->reason = reason;
}

/* Whether the rules may have anything to say of an object, or of a name in a directory, by their numbers alone: for
 * whoever would have to pay for the rest of a request. The answer "no" is that of aegis_decide() for all requests on
 * them; whatever is in doubt is a "yes". A directory without a number is none. */
static __always_inline int aegis_may_concern(const void *side, const struct aegis_object_key *object,
					     const struct aegis_object_key *directory)
{
	const struct aegis_active active = aegis_active(side);
	const uint32_t bank = active.generation & 1;
	const struct aegis_generation_info *info;
	const struct aegis_entry *entry;
	void *objects;

	if (aegis_self_check(side))
		return 1;
	if (!active.generation)
		return 0;
	info = aegis_generation(side, bank);
	objects = aegis_objects(side, bank);
	if (!info || info->generation != active.generation || !objects || aegis_object(objects, aegis_number(object)))
		return 1;
	if (!(info->flags & AEGIS_GENERATION_HAS_SLOTS) || !directory->ino)
		return 0;
	entry = aegis_object(objects, aegis_number(directory));
	return entry && entry->flags & AEGIS_ENTRY_HAS_SLOTS;
}

/* Decides one request. The answer is complete whatever happens. */
static __always_inline void aegis_decide(const struct aegis_request *request, struct aegis_answer *answer,
					 const void *known)
{
	const struct aegis_self_check *check = aegis_self_check(request->side);
	struct aegis_active active = aegis_active(request->side);
	int failed;

	if (check) {
		active.generation = check->generation;
		active.enforced_operations = 0;
		answer->self_check = check->hook == request->hook ? AEGIS_CHECK_HERE : AEGIS_CHECK_ELSEWHERE;
		answer->token = check->token;
	}
	aegis_pause(request->side);
	answer->generation = active.generation;
	answer->rule = AEGIS_RULE_NONE;
	answer->verdict = AEGIS_VERDICT_ALLOW;
	answer->reason = AEGIS_REASON_NONE;
	/* Nothing is armed yet: the probes are attached before the first generation is flipped in. */
	if (!active.generation)
		return;
	failed = aegis_ask_rules(request, answer, known);
	if (failed)
		aegis_undecidable(request, answer, active.enforced_operations, failed);
	if (answer->verdict == AEGIS_VERDICT_ALLOW || answer->self_check)
		return;
	if (aegis_survivor(request))
		answer->reason = AEGIS_REASON_SURVIVAL;
	else if (aegis_exempt(request, active.generation))
		answer->reason = AEGIS_REASON_EXEMPT;
	else
		return;
	answer->verdict = AEGIS_VERDICT_ALLOW;
}

#endif
