/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * Paths, written straight into the ring.
 */
#ifndef AEGIS_PATH_H
#define AEGIS_PATH_H

#include "tables.h"

/* Room for one more name of any length must be left where it is written. */
#define NAME_BYTES 256
#define LAST_NAME (AEGIS_PATH_BYTES - NAME_BYTES)

/* A walk from a dentry up to the root of its mount namespace. */
struct walk {
	/* AEGIS_PATH_BYTES in a ring. */
	unsigned char *path;
	const struct dentry *dentry;
	const struct vfsmount *mnt;
	uint64_t at;
	uint32_t components;
	int whole;
};

enum { GO_ON, STOP };

/* One step of the walk: writes a name, or crosses to where a mount is mounted. */
static long write_step(uint64_t step, struct walk *walk)
{
	const struct dentry *dentry = walk->dentry, *up = READ(dentry, d_parent);
	const unsigned char *name = READ(dentry, d_name.name);
	uint64_t at = walk->at;
	long length;

	if (walk->mnt && dentry == READ(walk->mnt, mnt_root)) {
		struct mount *mount = (void *)walk->mnt - OFFSET_OF(struct mount, mnt);
		struct mount *over = READ(mount, mnt_parent);

		walk->whole = !over || over == mount;
		walk->dentry = READ(mount, mnt_mountpoint);
		walk->mnt = &over->mnt;
		return walk->whole ? STOP : GO_ON;
	}
	/* The root of a file system by no known mount: what is above it is missing from the path. */
	if (!up || up == dentry)
		return STOP;
	/* The value that is compared is the one that is used, with no call between: older verifiers lose the bounds
	 * of what the compiler keeps elsewhere meanwhile. */
	asm volatile("" : "+r"(at));
	if (at > LAST_NAME)
		return STOP;
	length = bpf_probe_read_kernel_str(walk->path + at, NAME_BYTES, name);
	if (length <= 0 || length > NAME_BYTES)
		return STOP;
	walk->at = at + length;
	walk->components++;
	walk->dentry = up;
	return GO_ON;
}

/* Writes the names from the dentry up, the last component first. Returns whether the path is whole. The loop is the
 * kernel's own, so that the verifier looks at one step and not at all sequences of steps. */
static __always_inline int write_path(struct walk *walk)
{
	bpf_loop(AEGIS_PATH_DEPTH, write_step, walk, 0);
	return walk->whole;
}

#endif
