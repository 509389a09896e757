/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * The signal that a process gets beside a denial.
 */
#ifndef AEGIS_SIGNAL_H
#define AEGIS_SIGNAL_H

#include "lineage.h"
#include "accounts.h"

#define SIGKILL 9

/* The signal of a denial: that of the rule, or SIGKILL for a process that goes on. Denials by all rules that escalate are
 * counted together, for the process and those that it makes, so that going on with something else, or in a child, does
 * not begin anew. What cannot be counted gets the signal of the rule. */
AEGIS_SUBPROGRAM int signal_of(const struct aegis_answer *answer)
{
	uint64_t now = bpf_ktime_get_boot_ns();
	const struct aegis_rule_info *info;
	struct aegis_lineage *lineage;
	uint32_t bank, rule;
	void *table;

	/* The caller passes no NULL; the verifier, which looks at this function alone, does not know it. */
	if (!answer)
		return 0;
	/* On the stack: kernels up to 6.1 take keys from nowhere else in a function of its own. */
	bank = answer->generation & 1;
	rule = answer->rule;
	table = bpf_map_lookup_elem(&rules, &bank);
	info = table ? bpf_map_lookup_elem(table, &rule) : NULL;
	if (!info || !info->escalate_after)
		return answer->signal;
	lineage = lineage_of_current(STORAGE_CREATE);
	if (!lineage)
		return answer->signal;
	if (now - lineage->denied_since > info->escalate_within * SECOND) {
		lineage->denied_since = now;
		lineage->denials = 0;
	}
	return COUNT(lineage->denials) + 1 >= info->escalate_after ? SIGKILL : answer->signal;
}

#endif
