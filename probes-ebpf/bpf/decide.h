/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * The whole decision, as plain C without a helper call. It is compiled twice: into the probes, and into a
 * library that simulation and the tests call, so that what is simulated is what the kernel runs.
 *
 * Each side defines, before including this file, how tables are reached:
 *   aegis_active(side)                    the generation in force, read once
 *   aegis_self_check(side)                the self-check in progress if the current task makes it, else NULL
 *   aegis_generation(side, bank)          the generation's description, NULL if missing
 *   aegis_objects(side, bank)             a table, NULL if missing; likewise aegis_slots, and aegis_rows, which is told
 *                                         where the number of the bank is
 *   aegis_object(table, key)              an entry, NULL if there is none; likewise aegis_slot, aegis_row
 *   aegis_name_key(request, name, directory, key)  key of a name in a directory; not 0 if it cannot be read. The one
 *                                         that was used is that of the side
 *   aegis_upper_key(request, name, key)   the same for a name in a directory above
 *   aegis_climb(request, generation, above)  calls aegis_look_above() for each directory above, the nearest first;
 *                                         AEGIS_REASON_NONE, or why not all could be looked at
 *   aegis_survivor(request)               whether the survival list names the object or the subject
 *   aegis_exempt(request, generation)     whether the subject is in an exempt cgroup
 *   aegis_loop(times, step, context)      calls step(number, context) from 0 on, until it returns 1
 *   aegis_forced(side)                    the error that a test forces, AEGIS_FORCE_NONE outside tests
 *   aegis_pause(side)                     takes time if a test wants it, so that generations change meanwhile
 *
 * and those that judge.h lists.
 *
 * AEGIS_SUBPROGRAM stands before functions that the verifier shall check once, not at every call.
 *
 * Order: survival list, exempt cgroups, rules. The rules are looked at first because they seldom concern a
 * request; the lists before them are asked only when a rule, or an error, speaks against it. Every error is a
 * decision: see aegis_undecidable().
 */
#ifndef AEGIS_DECIDE_H
#define AEGIS_DECIDE_H

#include "weigh.h"

/* The number of an object, by which `objects` is asked: its key without the inode generation behind it. */
static __always_inline const struct aegis_inode_number *aegis_number(const struct aegis_object_key *object)
{
	_Static_assert(__builtin_offsetof(struct aegis_object_key, dev) ==
		       __builtin_offsetof(struct aegis_inode_number, dev), "a number is how a key begins");
	return (const void *)object;
}

/* Asks the rules by the name that was used, in a directory that has slots. */
static __always_inline int aegis_ask_slot(const struct aegis_request *request, struct aegis_answer *answer,
					  struct aegis_slot_key *key)
{
	void *slots = aegis_slots(request->side, answer->generation & 1);
	const struct aegis_entry *entry;

	if (AEGIS_ERROR(AEGIS_FORCE_SLOTS_MISSING, !slots))
		return AEGIS_REASON_TABLE_MISSING;
	if (AEGIS_ERROR(AEGIS_FORCE_NAME_UNREADABLE, aegis_name_key(request, request->side, &request->parent, key)))
		return AEGIS_REASON_NAME_UNREADABLE;
	entry = aegis_slot(slots, key);
	if (!entry)
		return AEGIS_REASON_NONE;
	if (entry->flags & AEGIS_ENTRY_SECURE_EXEC)
		answer->secure = 1;
	/* Something else is about to stand in a protected name. */
	if (request->operations & AEGIS_ON_NAMES)
		answer->notice = 1;
	return aegis_weigh_entry(request, answer, entry, AEGIS_REASON_SLOT, 1);
}

/* Notes what a directory above has. Returns AEGIS_REASON_NONE, or why the request is undecidable. */
static __always_inline int aegis_note(struct aegis_above *above, union aegis_upper upper, uint32_t is_name)
{
	uint64_t at = above->count;

	if (at >= AEGIS_MAX_SUBTREES)
		return AEGIS_REASON_TOO_MANY_ROWS;
	above->uppers[at] = upper;
	above->names |= is_name << at;
	above->count = at + 1;
	return AEGIS_REASON_NONE;
}

/* Looks at a directory above what is acted upon, and at the name by which the way goes down from it; NULL where that is
 * known already, or a mount. Returns AEGIS_REASON_NONE, or why the request is undecidable. */
static __always_inline int aegis_look_above(const struct aegis_request *request, uint32_t generation,
					    struct aegis_above *above, const struct aegis_object_key *directory,
					    const void *name)
{
	void *objects = aegis_objects(request->side, generation & 1);
	const struct aegis_entry *entry;
	union aegis_upper upper;
	int failed = AEGIS_REASON_NONE;

	if (!objects)
		return AEGIS_REASON_TABLE_MISSING;
	entry = aegis_object(objects, aegis_number(directory));
	if (!entry || entry->inode_generation != directory->inode_generation)
		return AEGIS_REASON_NONE;
	if (entry->generation != generation)
		return AEGIS_REASON_MIXED_GENERATIONS;
	if (entry->flags & AEGIS_ENTRY_SUBTREE) {
		upper.ruleset.first_row = entry->first_row;
		upper.ruleset.row_count = entry->row_count;
		failed = aegis_note(above, upper, 0);
	}
	if (!failed && name && entry->flags & AEGIS_ENTRY_HAS_SUBTREE_SLOTS) {
		upper.name = name;
		failed = aegis_note(above, upper, 1);
	}
	return failed;
}

/* Asks the rules on what is below a name. */
static __always_inline int aegis_ask_upper_name(const struct aegis_request *request, struct aegis_answer *answer,
						const void *name, struct aegis_slot_key *key)
{
	void *slots = aegis_slots(request->side, answer->generation & 1);
	const struct aegis_entry *entry;

	if (!slots)
		return AEGIS_REASON_TABLE_MISSING;
	if (aegis_upper_key(request, name, key))
		return AEGIS_REASON_NAME_UNREADABLE;
	entry = aegis_slot(slots, key);
	return entry ? aegis_weigh_entry(request, answer, entry, AEGIS_REASON_SUBTREE, 1) : AEGIS_REASON_NONE;
}

/* Asks the rules on subtrees. */
static __always_inline int aegis_ask_above(const struct aegis_request *request, struct aegis_answer *answer,
					   struct aegis_slot_key *key)
{
	struct aegis_above above = {};
	int failed = aegis_climb(request, answer->generation, &above);

	if (AEGIS_ERROR(AEGIS_FORCE_WALK_INCOMPLETE, 0))
		return AEGIS_REASON_WALK_INCOMPLETE;
	AEGIS_AS_A_LOOP
	for (uint32_t i = 0; !failed && i < above.count && i < AEGIS_MAX_SUBTREES; i++) {
		if (above.names & 1U << i)
			failed = aegis_ask_upper_name(request, answer, above.uppers[i].name, key);
		else
			failed = aegis_weigh_rows(request, answer, &above.uppers[i].ruleset, AEGIS_REASON_SUBTREE, 1);
	}
	return failed;
}

/* Asks the rules on whatever the operations can concern. */
static __always_inline int aegis_ask_any(const struct aegis_request *request, struct aegis_answer *answer,
					 void *objects, struct aegis_object_key *key)
{
	const struct aegis_entry *entry;

	key->ino = AEGIS_ANY_INO;
	key->dev = AEGIS_ANY_DEV;
	entry = aegis_object(objects, aegis_number(key));
	/* It is there if the description says so: the table is another one. */
	if (!entry)
		return AEGIS_REASON_TABLE_MISSING;
	return aegis_weigh_entry(request, answer, entry, AEGIS_REASON_ANY, 1);
}

/* Asks the rules by the identity of the object. */
static __always_inline int aegis_ask_object(const struct aegis_request *request, struct aegis_answer *answer,
					    void *objects, struct aegis_object_key *key)
{
	const struct aegis_entry *entry;
	int same;

	*key = request->object;
	/* What is done by way of a self-check is decided as if it were done to the object of the self-check. */
	if (answer->self_check) {
		key->ino = AEGIS_SELF_CHECK_INO;
		key->dev = AEGIS_SELF_CHECK_DEV;
	}
	entry = aegis_object(objects, aegis_number(key));
	if (!entry)
		return AEGIS_REASON_NONE;
	same = entry->inode_generation == request->object.inode_generation;
	if (same && entry->flags & AEGIS_ENTRY_SECURE_EXEC)
		answer->secure = 1;
	return aegis_weigh_entry(request, answer, entry, AEGIS_REASON_OBJECT, same);
}

/* Asks the rules by the name that was used, if its directory has slots. */
static __always_inline int aegis_ask_name(const struct aegis_request *request, struct aegis_answer *answer,
					  void *objects, struct aegis_slot_key *key)
{
	const struct aegis_entry *entry = aegis_object(objects, aegis_number(&request->parent));

	if (!entry || !(entry->flags & AEGIS_ENTRY_HAS_SLOTS) ||
	    entry->inode_generation != request->parent.inode_generation)
		return AEGIS_REASON_NONE;
	if (AEGIS_ERROR(AEGIS_FORCE_PARENT_MIXED, entry->generation != answer->generation))
		return AEGIS_REASON_MIXED_GENERATIONS;
	aegis_pause(request->side);
	return aegis_ask_slot(request, answer, key);
}

/* Asks the rules: those that allow, or all others. */
static __always_inline int aegis_ask_all(const struct aegis_request *request, struct aegis_answer *answer,
					 const struct aegis_generation_info *info, void *objects)
{
	/* One place for all keys: there is little room on the stack. */
	struct aegis_slot_key key = {};
	int failed = aegis_ask_object(request, answer, objects, &key.parent);

	if (failed || answer->self_check)
		return failed;
	if (info->flags & AEGIS_GENERATION_HAS_SLOTS && request->parent.ino)
		failed = aegis_ask_name(request, answer, objects, &key);
	if (!failed && info->subtree_operations & request->operations)
		failed = aegis_ask_above(request, answer, &key);
	if (!failed && info->flags & AEGIS_GENERATION_HAS_ANY)
		failed = aegis_ask_any(request, answer, objects, &key.parent);
	return failed;
}

/* Asks the rules. What a tenant allows is found out before what its rules deny. */
static __always_inline int aegis_ask_rules(const struct aegis_request *request, struct aegis_answer *answer)
{
	const uint32_t bank = answer->generation & 1;
	const struct aegis_generation_info *info = aegis_generation(request->side, bank);
	void *objects;
	int failed = AEGIS_REASON_NONE;

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
	/* First those that allow, if there are any, and then all others. */
	answer->allowing = !!(info->flags & AEGIS_GENERATION_HAS_ALLOW);
	AEGIS_AS_A_LOOP
	for (int round = 0; round < 2 && !failed; round++) {
		failed = aegis_ask_all(request, answer, info, objects);
		if (!answer->allowing)
			break;
		answer->allowing = 0;
	}
	return failed;
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
	if (info->flags & AEGIS_GENERATION_HAS_ANY || info->subtree_operations)
		return 1;
	if (!(info->flags & AEGIS_GENERATION_HAS_SLOTS) || !directory->ino)
		return 0;
	entry = aegis_object(objects, aegis_number(directory));
	return entry && entry->flags & AEGIS_ENTRY_HAS_SLOTS;
}

/* Decides one request. The answer is complete whatever happens. */
static __always_inline void aegis_decide(const struct aegis_request *request, struct aegis_answer *answer)
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
	failed = aegis_ask_rules(request, answer);
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
