/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * What the rows of an entry say of a request. Part of decide.h, which says how it is compiled twice.
 */
#ifndef AEGIS_WEIGH_H
#define AEGIS_WEIGH_H

#include "judge.h"

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

/* The tenant of a row among those whose rows allow, as a bit. The host's is never set. */
static __always_inline uint64_t aegis_tenant(const struct aegis_row *row)
{
	return row->tenant && row->tenant <= AEGIS_MAX_ALLOWING_TENANTS ? 1ULL << row->tenant : 0;
}

/* Takes a row that concerns the request into the answer, as it is about who asks, or as that is not known. */
static __always_inline void aegis_take_row(const struct aegis_request *request, struct aegis_answer *answer,
					   const struct aegis_row *row, int reason, uint32_t holds)
{
	if (row->flags & AEGIS_ROW_ALLOW) {
		/* Only what is certain, and for everything that is asked for. */
		if (holds == AEGIS_HOLDS && !(request->operations & ~row->operations))
			answer->allowed |= aegis_tenant(row);
		return;
	}
	if (row->flags & (AEGIS_ROW_ANCHOR | AEGIS_ROW_FOLLOW))
		answer->notice = 1;
	/* Its rule follows what moves: nothing is decided. Or its tenant allows it. */
	if (row->flags & AEGIS_ROW_FOLLOW || answer->allowed & aegis_tenant(row))
		return;
	aegis_weigh(answer, row, holds == AEGIS_UNKNOWN ? AEGIS_REASON_SUBJECT_UNKNOWN : aegis_row_reason(row, reason));
}

/* Whether a row speaks about this request. */
static __always_inline int aegis_row_concerns(const struct aegis_request *request, const struct aegis_answer *answer,
					      const struct aegis_row *row, int same_inode, int reason)
{
	if (!(row->operations & request->operations))
		return 0;
	/* What allows is looked at first, by itself. */
	if (!(row->flags & AEGIS_ROW_ALLOW) != !answer->allowing)
		return 0;
	/* It concerns the directory above alone. */
	if (reason == AEGIS_REASON_SUBTREE && !(row->flags & AEGIS_ROW_SUBTREE))
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
	uint8_t reason;
	uint8_t same_inode;
	/* AEGIS_REASON_NONE, or why the request is undecidable. */
	uint8_t failed;
};

/* Weighs one row. Returns whether to stop. */
static long aegis_weigh_row(uint64_t number, struct aegis_weighing *weighing)
{
	const struct aegis_request *request = weighing->request;
	struct aegis_answer *answer = weighing->answer;
	const struct aegis_row *row = aegis_row(weighing->rows, weighing->first_row + number);
	uint32_t holds = AEGIS_HOLDS;

	if (AEGIS_ERROR(AEGIS_FORCE_ROW_MISSING, !row)) {
		weighing->failed = AEGIS_REASON_TABLE_MISSING;
		return 1;
	}
	if (AEGIS_ERROR(AEGIS_FORCE_ROW_MIXED, row->generation != answer->generation)) {
		weighing->failed = AEGIS_REASON_MIXED_GENERATIONS;
		return 1;
	}
	if (!aegis_row_concerns(request, answer, row, weighing->same_inode, weighing->reason))
		return 0;
	if (row->condition_count)
		holds = aegis_judge(request, row, answer->generation);
	if (holds > AEGIS_HOLDS) {
		weighing->failed = holds - AEGIS_FAILED(0);
		return 1;
	}
	if (holds != AEGIS_NOT)
		aegis_take_row(request, answer, row, weighing->reason, holds);
	return 0;
}

/* Weighs rows that follow each other. Returns AEGIS_REASON_NONE, or why the request is undecidable. */
AEGIS_SUBPROGRAM int aegis_weigh_rows(const struct aegis_request *request, struct aegis_answer *answer,
				      const struct aegis_ruleset *ruleset, int reason, int same_inode)
{
	struct aegis_weighing weighing = {
		.request = request, .answer = answer, .reason = reason, .same_inode = same_inode,
	};

	/* The callers pass no NULL; the verifier, which looks at this function alone, does not know it. */
	if (!request || !answer || !ruleset)
		return AEGIS_REASON_TABLE_MISSING;
	if (AEGIS_ERROR(AEGIS_FORCE_TOO_MANY_ROWS, ruleset->row_count > AEGIS_MAX_ROWS))
		return AEGIS_REASON_TOO_MANY_ROWS;
	/* The bank stands for a moment where there is room for it: the stack has none. */
	weighing.first_row = answer->generation & 1;
	weighing.rows = aegis_rows(request->side, &weighing.first_row);
	if (AEGIS_ERROR(AEGIS_FORCE_ROWS_MISSING, !weighing.rows))
		return AEGIS_REASON_TABLE_MISSING;
	weighing.first_row = ruleset->first_row;
	aegis_loop(ruleset->row_count, aegis_weigh_row, &weighing);
	return weighing.failed;
}

/* Weighs all rows of an entry. */
static __always_inline int aegis_weigh_entry(const struct aegis_request *request, struct aegis_answer *answer,
					     const struct aegis_entry *entry, int reason, int same_inode)
{
	struct aegis_ruleset ruleset = { entry->first_row, entry->row_count };

	if (AEGIS_ERROR(AEGIS_FORCE_ENTRY_MIXED, entry->generation != answer->generation))
		return AEGIS_REASON_MIXED_GENERATIONS;
	return aegis_weigh_rows(request, answer, &ruleset, reason, same_inode);
}

#endif
