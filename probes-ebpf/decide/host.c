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

enum { TABLE_OBJECTS, TABLE_SLOTS, TABLE_ROWS };

struct aegis_active aegis_host_active(const void *side);
const struct aegis_generation_info *aegis_host_generation(const void *side);
int aegis_host_has_table(const void *side, int table);
const struct aegis_entry *aegis_host_object(const void *side, const struct aegis_inode_number *key);
int aegis_host_slot_key(const struct aegis_request *request, struct aegis_slot_key *key);
const struct aegis_entry *aegis_host_slot(const void *side, const struct aegis_slot_key *key);
const struct aegis_row *aegis_host_row(const void *side, uint32_t index);
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
#define aegis_object(table, key) aegis_host_object(table, key)
#define aegis_slot(table, key) aegis_host_slot(table, key)
#define aegis_row(table, index) aegis_host_row(table, index)
#define aegis_slot_key(request, known, key) ((void)(known), aegis_host_slot_key(request, key))
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

#include "decide.h"

void aegis_host_decide(const struct aegis_request *request, struct aegis_answer *answer)
{
	aegis_decide(request, answer, NULL);
}

int aegis_host_may_concern(const struct aegis_request *request)
{
	return aegis_may_concern(request->side, &request->object, &request->parent);
}

uint64_t aegis_host_name_hash(const uint64_t *key, const uint64_t *words, uint32_t length)
{
	struct aegis_name_hash hash;

	aegis_name_begin(&hash, key);
	for (uint32_t i = 0; i < length / 8; i++)
		aegis_name_word(&hash, words[i]);
	return aegis_name_end(&hash, length % 8 ? words[length / 8] : 0, length);
}
