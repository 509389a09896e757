/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * Files as objects: their identity, the name by which they were reached, and one judgement on both.
 */
#ifndef AEGIS_FILE_H
#define AEGIS_FILE_H

#include "tables.h"
#include "subject.h"

/* Hashes a name where it lies. Returns 0, or -1 if it cannot be read. */
static __always_inline int hash_name(const unsigned char *name, uint32_t length, const uint64_t *key, uint64_t *result)
{
	struct aegis_name_hash hash;
	uint64_t word;

	aegis_name_begin(&hash, key);
	for (uint32_t at = 0; at < AEGIS_NAME_WORDS * 8; at += 8) {
		uint32_t left = length - at;

		word = 0;
		if (left < 8) {
			if (left && bpf_probe_read_kernel(&word, left, name + at))
				return -1;
			*result = aegis_name_end(&hash, word, length);
			return 0;
		}
		if (bpf_probe_read_kernel(&word, sizeof(word), name + at))
			return -1;
		aegis_name_word(&hash, word);
	}
	return -1;
}

/* Tries before a name that changes under our eyes counts as unreadable. Each change is a rename that somebody
 * must make, so three in the time of a few reads do not happen by chance. */
#define NAME_TRIES 3

/* Reads a name in one piece: the kernel's own hash and length must be the same before and after, and so must the
 * directory. */
AEGIS_SUBPROGRAM int aegis_slot_key(const struct aegis_request *request, struct aegis_slot_key *key)
{
	const struct aegis_identity *self = bpf_map_lookup_elem(&identity, &first);
	const struct dentry *dentry;

	/* The caller passes no NULL; the verifier, which looks at this function alone, does not know it. */
	if (!request || !key || !self)
		return -1;
	dentry = request->side;
	for (int attempt = 0; attempt < NAME_TRIES; attempt++) {
		uint64_t before = READ(dentry, d_name.hash_len);
		uint32_t length = before >> 32;
		uint64_t hash;

		if (!length || length > AEGIS_NAME_MAX)
			return -1;
		if (hash_name(READ(dentry, d_name.name), length, self->name_key, &hash))
			continue;
		if (READ(dentry, d_name.hash_len) != before ||
		    READ(READ(READ(dentry, d_parent), d_inode), i_ino) != request->parent.ino)
			continue;
		key->parent = request->parent;
		key->name_hash = hash;
		return 0;
	}
	return -1;
}

#include "decide.h"
#include "report.h"

/* One copy of the decision in each program. */
AEGIS_SUBPROGRAM int decide(const struct aegis_request *request, struct aegis_answer *answer)
{
	/* The caller passes no NULL; the verifier, which looks at this function alone, does not know it. */
	if (!request || !answer)
		return -1;
	aegis_decide(request, answer);
	return 0;
}

/* Decides, counts, reports. Returns whether the operation is denied. */
static __always_inline int denied(const struct aegis_request *request)
{
	struct aegis_answer answer = {};

	/* deny: no answer, which cannot be */
	if (decide(request, &answer))
		return 1;
	/* The way of nearly all requests: no rule concerns it, nothing is counted. */
	if (answer.reason == AEGIS_REASON_NONE && !answer.self_check)
		return 0;
	report(request, &answer);
	return answer.verdict == AEGIS_VERDICT_DENY;
}

/* Whether `operations` on an inode that was reached by a dentry are denied. Takes plain addresses, so it serves
 * hooks whose arguments may be NULL although the verifier takes them for valid. */
static __always_inline int inode_denied(const struct inode *inode, const struct dentry *dentry,
					const struct vfsmount *mnt, uint32_t operations, uint32_t hook)
{
	struct aegis_request request = { .operations = operations, .hook = hook, .side = dentry, .mount = mnt };
	const struct dentry *parent = READ(dentry, d_parent);

	identify(&request.object, inode);
	/* The root of a file system has no name. */
	if (parent != dentry)
		identify(&request.parent, READ(parent, d_inode));
	return denied(&request);
}

/* The same for an open file: the object is the inode that the file works on, the name that of its path. */
static __always_inline int file_denied(const struct file *file, uint32_t operations, uint32_t hook)
{
	return inode_denied(READ(file, f_inode), READ(file, f_path.dentry), READ(file, f_path.mnt), operations, hook);
}

#endif
