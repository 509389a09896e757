/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * Makes the compiler describe every struct of abi.h in the object's BTF, so that a test can compare each field
 * with the Rust side. By itself it describes only what a variable or the argument of a function is made of, and
 * merely declares what lies behind further pointers. Nobody calls the function, so no program contains it.
 */
#ifndef AEGIS_DESCRIBED_H
#define AEGIS_DESCRIBED_H

#include "abi.h"

struct aegis_described {
	struct aegis_object_key object_key;
	struct aegis_inode_number inode_number;
	struct aegis_slot_key slot_key;
	struct aegis_entry entry;
	struct aegis_row row;
	struct aegis_rule_info rule_info;
	struct aegis_exempt exempt;
	struct aegis_generation_info generation_info;
	struct aegis_survival_key survival_key;
	struct aegis_accepted accepted;
	struct aegis_survival survival;
	struct aegis_identity identity;
	struct aegis_active active;
	struct aegis_self_check self_check;
	struct aegis_proof proof;
	struct aegis_event event;
	struct aegis_process_event process_event;
	struct aegis_exec_event exec_event;
	struct aegis_counters counters;
	struct aegis_notice notice;
	struct aegis_storm_key storm_key;
	struct aegis_storm storm;
	struct aegis_summarised summarised;
	struct aegis_ledger ledger;
	struct aegis_reader_mark reader_mark;
	struct aegis_resolved resolved;
	struct aegis_process process;
	struct aegis_held held;
	struct aegis_membership membership;
	struct aegis_condition condition;
	struct aegis_member_key member_key;
	struct aegis_member member;
	struct aegis_range range;
	struct aegis_image image;
	struct aegis_lineage lineage;
};

static __attribute__((used)) void aegis_describe(const struct aegis_described *described)
{
}

#endif
