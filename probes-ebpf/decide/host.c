/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * decide.h for the host: every look-up is a function on the Rust side, to which `side` belongs. One decision
 * sees one bank, so a table is its side.
 */
#include <stddef.h>
#include <stdint.h>

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#define AEGIS_SUBPROGRAM static
#include "request.h"

enum { TABLE_OBJECTS, TABLE_SLOTS, TABLE_ROWS, TABLE_CONDITIONS, TABLE_MEMBERS, TABLE_RANGES };

struct aegis_active aegis_host_active(const void *side);
const struct aegis_generation_info *aegis_host_generation(const void *side);
int aegis_host_has_table(const void *side, int table);
const struct aegis_entry *aegis_host_object(const void *side, const struct aegis_inode_number *key);
int aegis_host_slot_key(const struct aegis_request *request, struct aegis_slot_key *key);
const struct aegis_entry *aegis_host_slot(const void *side, const struct aegis_slot_key *key);
const struct aegis_row *aegis_host_row(const void *side, uint32_t index);
int aegis_host_above(const void *side, uint32_t number, struct aegis_object_key *directory);
int aegis_host_name_key(const void *side, uint32_t number, struct aegis_slot_key *key);
const struct aegis_condition *aegis_host_condition(const void *side, uint32_t index);
const struct aegis_range *aegis_host_range(const void *side, uint32_t index);
const struct aegis_member *aegis_host_member(const void *side, const struct aegis_member_key *key);
const struct aegis_lineage *aegis_host_lineage(const void *side);
int aegis_host_has_no_exe(const void *side);
uint32_t aegis_host_number_of(const void *side, uint32_t asked);
uint64_t aegis_host_cgroup(const void *side, uint32_t level);
int aegis_host_survivor(const struct aegis_request *request);
int aegis_host_exempt(const void *side);
uint32_t aegis_host_forced(const void *side);

/* With arguments, so that the structs of the same names are not touched. */
#define aegis_active(side) aegis_host_active(side)
#define aegis_self_check(side) NULL
#define aegis_generation(side, bank) aegis_host_generation(side)
#define aegis_objects(side, bank) ((void)(bank), aegis_host_has_table(side, TABLE_OBJECTS) ? (void *)(side) : NULL)
#define aegis_slots(side, bank) ((void)(bank), aegis_host_has_table(side, TABLE_SLOTS) ? (void *)(side) : NULL)
#define aegis_rows(side, bank) ((void)(bank), aegis_host_has_table(side, TABLE_ROWS) ? (void *)(side) : NULL)
#define aegis_conditions(side, bank) ((void)(bank), aegis_host_has_table(side, TABLE_CONDITIONS) ? (void *)(side) : NULL)
#define aegis_members(side, bank) ((void)(bank), aegis_host_has_table(side, TABLE_MEMBERS) ? (void *)(side) : NULL)
#define aegis_ranges(side, bank) ((void)(bank), aegis_host_has_table(side, TABLE_RANGES) ? (void *)(side) : NULL)
#define aegis_condition(table, index) aegis_host_condition(table, index)
#define aegis_range(table, index) aegis_host_range(table, index)
#define aegis_member(table, key) aegis_host_member(table, key)
#define aegis_lineage(side) aegis_host_lineage(side)
#define aegis_has_no_exe(side) aegis_host_has_no_exe(side)
#define aegis_number_of(side, asked) aegis_host_number_of(side, asked)
#define aegis_cgroup(side, level) aegis_host_cgroup(side, level)
/* A name above is the number of its directory on the way up, from 1. */
#define aegis_upper_key(request, name, key)                                                                    \
	aegis_host_name_key((request)->side, (uint32_t)(uintptr_t)(name) - 1, key)
#define aegis_name_key(request, name, directory, key)                                                          \
	((void)(name), (void)(directory), aegis_host_slot_key(request, key))
#define aegis_object(table, key) aegis_host_object(table, key)
#define aegis_slot(table, key) aegis_host_slot(table, key)
#define aegis_row(table, index) aegis_host_row(table, index)
#define aegis_survivor(request) aegis_host_survivor(request)
#define aegis_exempt(request, generation) aegis_host_exempt((request)->side)
#define aegis_forced(side) aegis_host_forced(side)
#define aegis_loop(times, step, context)                                                                       \
	do {                                                                                                   \
		for (uint32_t number_ = 0; number_ < (times); number_++)                                       \
			if (step(number_, context))                                                            \
				break;                                                                         \
	} while (0)
#define aegis_pause(side) ((void)(side))

static int aegis_climb(const struct aegis_request *request, uint32_t generation, struct aegis_above *above);

#include "decide.h"

static int aegis_climb(const struct aegis_request *request, uint32_t generation, struct aegis_above *above)
{
	struct aegis_object_key directory;

	for (uint32_t number = 0;; number++) {
		int found = aegis_host_above(request->side, number, &directory);
		/* The first one is that of the name that was used, which is asked for by itself. */
		const void *name = number ? (const void *)(uintptr_t)(number + 1) : NULL;
		int failed;

		if (found < 0)
			return AEGIS_REASON_WALK_INCOMPLETE;
		if (!found)
			return AEGIS_REASON_NONE;
		failed = aegis_look_above(request, generation, above, &directory, name);
		if (failed)
			return failed;
	}
}

void aegis_host_decide(const struct aegis_request *request, struct aegis_answer *answer)
{
	aegis_decide(request, answer);
}

int aegis_host_may_concern(const struct aegis_request *request)
{
	return aegis_may_concern(request->side, &request->object, &request->parent);
}

uint64_t aegis_host_slot_number(const uint64_t *key, const struct aegis_slot_key *slot)
{
	return aegis_slot_number(slot, key);
}

uint64_t aegis_host_name_hash(const uint64_t *key, const uint64_t *words, uint32_t length)
{
	struct aegis_name_hash hash;

	aegis_name_begin(&hash, key);
	for (uint32_t i = 0; i < length / 8; i++)
		aegis_name_word(&hash, words[i]);
	return aegis_name_end(&hash, length % 8 ? words[length / 8] : 0, length);
}
