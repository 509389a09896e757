/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * From the file behind a mapping to what was opened.
 */
#ifndef AEGIS_OPENED_H
#define AEGIS_OPENED_H

#include "kernel.h"

/* A mapping of a file on an overlay belongs to the real file below. What the user opened is found in the path,
 * which up to 6.7 is that of the overlay, and beside it from 6.8 on, where the real file is the first part of a
 * larger struct. The flag that says so has moved between versions; whether a mount and a dentry of one and the
 * same overlay stand there tells it as surely. */
static __always_inline struct path opened_path(const struct file *file)
{
	const struct backing_file *backing = (const void *)file;
	const struct super_block *super;
	struct path path;

	if (HAS_FIELD(backing, user_path)) {
		path.mnt = READ(backing, user_path.mnt);
		path.dentry = READ(backing, user_path.dentry);
		super = READ(path.dentry, d_sb);
		if (super && READ(super, s_magic) == OVERLAYFS_SUPER_MAGIC &&
		    READ(READ(path.mnt, mnt_root), d_sb) == super)
			return path;
	}
	path.mnt = READ(file, f_path.mnt);
	path.dentry = READ(file, f_path.dentry);
	return path;
}

#endif
