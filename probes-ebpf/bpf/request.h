/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * What a decision is made of: the request, the answer, and the hash of names in slot keys. Shared by the probes
 * and the host, like decide.h.
 */
#ifndef AEGIS_REQUEST_H
#define AEGIS_REQUEST_H

#include "abi.h"

/* What is asked. */
struct aegis_request {
	struct aegis_object_key object;
	/* Directory of the name that was used; ino 0 where there is none. */
	struct aegis_object_key parent;
	uint32_t operations;
	uint16_t hook;
	/* Whether another hook will be asked about the same operation. */
	uint16_t is_twin;
	/* The dentry in the kernel, the tables on the host. */
	const void *side;
	/* The mount on which the dentry was reached, if it is known; for the path in the event alone. */
	const void *mount;
};

/* Values of `self_check` in an answer: the current task makes a self-check, on this hook or on another one. */
enum { AEGIS_CHECK_HERE = 1, AEGIS_CHECK_ELSEWHERE = 2 };

/* What is answered. */
struct aegis_answer {
	uint32_t generation;
	uint32_t rule;
	uint8_t verdict;
	uint8_t reason;
	uint8_t signal;
	uint8_t self_check;
	uint32_t token;
	/* Set if the operation, once it is done, changes what a rule's path stands for: the daemon is told then. */
	uint8_t notice;
	/* Set while only rows are looked at that allow. */
	uint8_t allowing;
	/* Set if what is started from the object is excepted from some rule. */
	uint8_t secure;
	/* The tenants that allow it, as bits. */
	uint64_t allowed;
};

/* Rows that follow each other. */
struct aegis_ruleset {
	uint32_t first_row;
	uint32_t row_count;
};

/* What a directory above has on what is below it: rows of its own; or of names in it, and the one that is on the way has
 * to be asked for. */
union aegis_upper {
	struct aegis_ruleset ruleset;
	const void *name;
};

/* Those of all directories above. */
struct aegis_above {
	uint32_t count;
	/* Bits of those that are names. */
	uint32_t names;
	union aegis_upper uppers[AEGIS_MAX_SUBTREES];
};

/* Stands before a loop that is not to become a sequence: there is little room on the stack. */
#ifdef __clang__
#define AEGIS_AS_A_LOOP _Pragma("clang loop unroll(disable)")
#else
#define AEGIS_AS_A_LOOP
#endif

/* Operations that change which object a name stands for. */
#define AEGIS_ON_NAMES                                                                                         \
	(AEGIS_OPERATION_CREATE | AEGIS_OPERATION_LINK | AEGIS_OPERATION_UNLINK | AEGIS_OPERATION_RENAME |     \
	 AEGIS_OPERATION_MKDIR | AEGIS_OPERATION_MKNOD | AEGIS_OPERATION_SYMLINK)

/* Errors that tests can force, one for each place in decide.h that meets one. Probes that are loaded outside tests
 * have AEGIS_FORCE_NONE as a constant, and the kernel's verifier removes what depends on it. */
enum aegis_force {
	AEGIS_FORCE_NONE,
	AEGIS_FORCE_INFO_MISSING,
	AEGIS_FORCE_INFO_MIXED,
	AEGIS_FORCE_OBJECTS_MISSING,
	AEGIS_FORCE_ENTRY_MIXED,
	AEGIS_FORCE_TOO_MANY_ROWS,
	AEGIS_FORCE_ROWS_MISSING,
	AEGIS_FORCE_ROW_MISSING,
	AEGIS_FORCE_ROW_MIXED,
	AEGIS_FORCE_PARENT_MIXED,
	AEGIS_FORCE_SLOTS_MISSING,
	AEGIS_FORCE_NAME_UNREADABLE,
	AEGIS_FORCE_WALK_INCOMPLETE,
	AEGIS_FORCE_CONDITION_MISSING,
	AEGIS_FORCE_MEMBERS_MISSING,
	AEGIS_FORCE_SUBJECT_UNKNOWN,
};

#define AEGIS_ROTATE(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

#define AEGIS_SIP_ROUND(v0, v1, v2, v3)                                                                        \
	do {                                                                                                   \
		v0 += v1; v1 = AEGIS_ROTATE(v1, 13); v1 ^= v0; v0 = AEGIS_ROTATE(v0, 32);                      \
		v2 += v3; v3 = AEGIS_ROTATE(v3, 16); v3 ^= v2;                                                 \
		v0 += v3; v3 = AEGIS_ROTATE(v3, 21); v3 ^= v0;                                                 \
		v2 += v1; v1 = AEGIS_ROTATE(v1, 17); v1 ^= v2; v2 = AEGIS_ROTATE(v2, 32);                      \
	} while (0)

/* Longest name of a file, and how many words that is with the last one, which is never whole. */
#define AEGIS_NAME_MAX 255
#define AEGIS_NAME_WORDS 32

/* SipHash-1-3 of a name, word by word, so that the kernel needs no room for the name. */
struct aegis_name_hash {
	uint64_t v0, v1, v2, v3;
};

static __always_inline void aegis_name_begin(struct aegis_name_hash *hash, const uint64_t *key)
{
	hash->v0 = key[0] ^ 0x736f6d6570736575ULL;
	hash->v1 = key[1] ^ 0x646f72616e646f6dULL;
	hash->v2 = key[0] ^ 0x6c7967656e657261ULL;
	hash->v3 = key[1] ^ 0x7465646279746573ULL;
}

/* Eight bytes of the name. */
static __always_inline void aegis_name_word(struct aegis_name_hash *hash, uint64_t word)
{
	hash->v3 ^= word;
	AEGIS_SIP_ROUND(hash->v0, hash->v1, hash->v2, hash->v3);
	hash->v0 ^= word;
}

/* The bytes that are left, at most seven, with zeros above them. The length goes into the last block, as in the
 * published algorithm: a name whose length is a multiple of 8 ends in a block that has nothing else. */
static __always_inline uint64_t aegis_name_end(struct aegis_name_hash *hash, uint64_t rest, uint32_t length)
{
	aegis_name_word(hash, rest | (uint64_t)length << 56);
	hash->v2 ^= 0xff;
	AEGIS_SIP_ROUND(hash->v0, hash->v1, hash->v2, hash->v3);
	AEGIS_SIP_ROUND(hash->v0, hash->v1, hash->v2, hash->v3);
	AEGIS_SIP_ROUND(hash->v0, hash->v1, hash->v2, hash->v3);
	return hash->v0 ^ hash->v1 ^ hash->v2 ^ hash->v3;
}

/* A name in a directory as one number, by which processes remember what they were started from. Never 0. */
static __always_inline uint64_t aegis_slot_number(const struct aegis_slot_key *slot, const uint64_t *key)
{
	struct aegis_name_hash hash;
	uint64_t number;

	aegis_name_begin(&hash, key);
	aegis_name_word(&hash, slot->parent.ino);
	aegis_name_word(&hash, (uint64_t)slot->parent.dev << 32 | slot->parent.inode_generation);
	aegis_name_word(&hash, slot->name_hash);
	number = aegis_name_end(&hash, 0, 24);
	return number ?: 1;
}

#endif
