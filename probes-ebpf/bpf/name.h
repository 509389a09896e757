/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * Names in directories: read and hashed where they lie.
 */
#ifndef AEGIS_NAME_H
#define AEGIS_NAME_H

#include "tables.h"

/* A piece of a name that is read at once: most names are shorter. */
#define PIECE_WORDS 4
#define PIECE_BYTES (PIECE_WORDS * 8)

/* The same number, of which the verifier no longer knows anything. What it learns of a number by comparing it keeps
 * the ways through a loop apart, which it then walks one by one; a copy that it does not connect with the number
 * keeps them together. */
static __always_inline uint64_t unknown(uint64_t number, uint64_t noise)
{
	asm volatile("%0 ^= %1; %0 ^= %1" : "+r"(number) : "r"(noise));
	return number;
}

/* Hashes a name where it lies. Returns 0, or -1 if it cannot be read. */
static __always_inline int hash_name(const unsigned char *name, uint32_t length, const uint64_t *key, uint64_t *result)
{
	struct aegis_name_hash hash;
	uint64_t rest = 0;

	aegis_name_begin(&hash, key);
	for (uint32_t at = 0; at < AEGIS_NAME_WORDS * 8; at += PIECE_BYTES) {
		uint64_t piece[PIECE_WORDS] = {};
		uint64_t left = length - at;
		uint64_t size = unknown(left, hash.v0);

		size = size < PIECE_BYTES ? size : PIECE_BYTES;
		/* The value that is compared is the one that is used: older verifiers lose the bounds otherwise. */
		asm volatile("" : "+r"(size));
		if (size > PIECE_BYTES || (size && bpf_probe_read_kernel(piece, size, name + at)))
			return -1;
		for (int i = 0; i < PIECE_WORDS; i++, left -= 8) {
			if (unknown(left, hash.v0) < 8) {
				rest = piece[i];
				goto end;
			}
			aegis_name_word(&hash, piece[i]);
		}
	}
	return -1;
end:
	*result = aegis_name_end(&hash, rest, length);
	return 0;
}

/* The same, word by word with the kernel's own loop: where there is little room on the stack and no hurry. */
struct slow_hash {
	struct aegis_name_hash hash;
	const unsigned char *name;
	uint64_t rest;
	uint32_t length;
	int is_done;
};

static long slow_hash_step(uint64_t number, struct slow_hash *slow)
{
	uint64_t word = 0, left = slow->length - number * 8, size = left < 8 ? left : 8;

	/* The value that is compared is the one that is used: older verifiers lose the bounds otherwise. */
	asm volatile("" : "+r"(size));
	if (size > 8 || (size && bpf_probe_read_kernel(&word, size, slow->name + number * 8)))
		return 1;
	if (left >= 8) {
		aegis_name_word(&slow->hash, word);
		return 0;
	}
	slow->rest = word;
	slow->is_done = 1;
	return 1;
}

static __always_inline int hash_name_slowly(const unsigned char *name, uint32_t length, const uint64_t *key,
					    uint64_t *result)
{
	struct slow_hash slow = { .name = name, .length = length };

	aegis_name_begin(&slow.hash, key);
	aegis_loop(AEGIS_NAME_WORDS, slow_hash_step, &slow);
	if (!slow.is_done)
		return -1;
	*result = aegis_name_end(&slow.hash, slow.rest, length);
	return 0;
}

/* Tries before a name that changes under our eyes counts as unreadable. Each change is a rename that somebody
 * must make, so two in the time of a few reads do not happen by chance. */
#define NAME_TRIES 2

/* Hashes the name of a dentry that the verifier knows: its fields are read without a call. The name is read in one piece:
 * the kernel's own hash and length of it must be the same before and after, and so must its directory. */
static __always_inline int hash_known(const struct dentry *dentry, const struct dentry *up, uint64_t *hash)
{
	const struct aegis_identity *self = bpf_map_lookup_elem(&identity, &first);

	/* An array's only element is always there; the verifier does not know it. */
	if (!self)
		return -1;
	for (int attempt = 0; attempt < NAME_TRIES; attempt++) {
		/* Two fields, as verifiers up to 6.1 do not know the union that they are in. */
		uint32_t before = dentry->d_name.hash, length = dentry->d_name.len;
		int failed;

		if (!length || length > AEGIS_NAME_MAX)
			return -1;
		failed = hash_name(dentry->d_name.name, length, self->name_key, hash);
		/* Moved to another directory: what was asked about that directory no longer holds. */
		if (dentry->d_parent != up)
			return -1;
		if (!failed && dentry->d_name.hash == before && dentry->d_name.len == length)
			return 0;
	}
	return -1;
}

/* Finds the key of the name of a dentry. The same for one that the verifier does not know. */
AEGIS_SUBPROGRAM int name_key(uint64_t address, struct aegis_slot_key *key)
{
	const struct aegis_identity *self = bpf_map_lookup_elem(&identity, &first);
	const struct dentry *dentry = (const void *)address, *up = READ(dentry, d_parent);
	struct qstr before, after;

	/* The caller passes no NULL, and an array's only element is always there; the verifier does not know it. */
	if (!key || !self)
		return -1;
	identify(&key->parent, READ(up, d_inode));
	AEGIS_AS_A_LOOP
	for (int attempt = 0; attempt < NAME_TRIES; attempt++) {
		int failed = bpf_probe_read_kernel(&before, sizeof(before), &dentry->d_name);

		if (failed || !before.len || before.len > AEGIS_NAME_MAX)
			return -1;
		failed = hash_name_slowly(before.name, before.len, self->name_key, &key->name_hash);
		failed |= bpf_probe_read_kernel(&after, sizeof(after), &dentry->d_name);
		if (READ(dentry, d_parent) != up)
			return -1;
		if (!failed && after.hash_len == before.hash_len)
			return 0;
	}
	return -1;
}

/* The key of a name in a directory whose key is known. */
static __always_inline int aegis_name_key(const struct aegis_request *request, const struct dentry *name,
					  const struct aegis_object_key *directory, struct aegis_slot_key *key)
{
	/* Moved meanwhile: what was asked about the directory no longer holds. */
	return name_key((uint64_t)name, key) || key->parent.ino != directory->ino ||
	       key->parent.dev != directory->dev;
}

#define aegis_upper_key(request, name, key) name_key((uint64_t)(name), key)

#endif
