/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * The quick look at an open: whether any rule can have anything to say of it. Nearly all opens end here, so it reads
 * through verified pointers, without a helper call for each field. "No" is what the whole decision would say under the
 * generation that was read; whatever is in doubt is a "yes", and is decided as a whole.
 */
#ifndef AEGIS_QUICK_H
#define AEGIS_QUICK_H

#include "file.h"

/* Directories that are looked at through verified pointers. What lies deeper is decided as a whole. */
#define QUICK_LEVELS 16

#define QUICK static __attribute__((noinline))

/* Whether a directory has rules on what is below it, or on names in it that may be on the way. */
static __always_inline int speaks_of_below(void *objects, const struct aegis_object_key *directory)
{
	const struct aegis_entry *entry = aegis_object(objects, aegis_number(directory));

	return entry && entry->flags & (AEGIS_ENTRY_SUBTREE | AEGIS_ENTRY_HAS_SUBTREE_SLOTS);
}

/* A way further up, where no pointer is verified. */
struct quick_climb {
	void *objects;
	const struct dentry *dentry;
	const struct vfsmount *mnt;
	int concerns;
};

/* One step from a mount to what it is mounted on, or to a directory above. Ends with a "no" at the root of the namespace
 * alone. */
static long quick_step(uint64_t number, struct quick_climb *climb)
{
	const struct dentry *dentry = climb->dentry, *up = READ(dentry, d_parent);
	struct mount *mount = (void *)climb->mnt - OFFSET_OF(struct mount, mnt), *outer;
	struct aegis_object_key key = {};

	if (dentry == READ(climb->mnt, mnt_root)) {
		/* A part of a file system that is mounted: what is above it there counts as well. */
		if (up != dentry)
			return 1;
		outer = READ(mount, mnt_parent);
		if (!outer || outer == mount) {
			climb->concerns = 0;
			return 1;
		}
		climb->mnt = &outer->mnt;
		up = READ(mount, mnt_mountpoint);
	}
	climb->dentry = up;
	identify(&key, READ(up, d_inode));
	return speaks_of_below(climb->objects, &key) ? 1 : 0;
}

/* Whether there are rules on subtrees above a directory. */
QUICK int above_concerns(const struct file *file, void *objects)
{
	const struct dentry *dentry = file->f_path.dentry;
	const struct vfsmount *mnt = file->f_path.mnt;
	struct quick_climb climb = { .objects = objects, .mnt = mnt, .concerns = 1 };

	for (int level = 0; level < QUICK_LEVELS && dentry != mnt->mnt_root; level++) {
		const struct dentry *up = dentry->d_parent;
		struct aegis_object_key key = {};

		/* The root of a file system, and not of the mount: a file that is in no directory. */
		if (up == dentry)
			return 1;
		key.ino = up->d_inode->i_ino;
		key.dev = up->d_inode->i_sb->s_dev;
		if (speaks_of_below(objects, &key))
			return 1;
		dentry = up;
	}
	climb.dentry = dentry;
	bpf_loop(AEGIS_WALK_STEPS, quick_step, &climb, 0);
	return climb.concerns;
}

/* Whether the name by which a file was reached has rules; its directory has some. */
QUICK int name_concerns(const struct file *file, uint32_t bank)
{
	const struct dentry *dentry = file->f_path.dentry, *up = dentry->d_parent;
	const struct inode *directory = up->d_inode;
	struct aegis_slot_key key = {
		.parent = { directory->i_ino, directory->i_sb->s_dev, directory->i_generation },
	};
	void *slots = aegis_slots(NULL, bank);

	return !slots || hash_known(dentry, up, &key.name_hash) || aegis_slot(slots, &key);
}

/* Whether an open has to be decided. */
QUICK int opening_concerns(const struct file *file, uint32_t operations)
{
	const struct dentry *dentry = file->f_path.dentry, *up = dentry->d_parent;
	const struct inode *inode = file->f_inode, *parent = up->d_inode;
	const struct super_block *super = inode->i_sb;
	const uint32_t dev = super->s_dev;
	struct aegis_object_key key = { .ino = inode->i_ino, .dev = dev };
	const struct aegis_active active = aegis_active(NULL);
	const uint32_t bank = active.generation & 1;
	const struct aegis_generation_info *info;
	const struct aegis_entry *entry;
	void *objects;

	if (aegis_self_check(NULL) || test_force != AEGIS_FORCE_NONE)
		return 1;
	if (!active.generation)
		return 0;
	aegis_pause(NULL);
	info = aegis_generation(NULL, bank);
	if (!info || info->generation != active.generation)
		return 1;
	if (!(info->operations & operations))
		return 0;
	objects = aegis_objects(NULL, bank);
	if (!objects || info->flags & AEGIS_GENERATION_HAS_ANY || aegis_object(objects, aegis_number(&key)))
		return 1;
	/* The root of a file system has no name. */
	if (info->flags & AEGIS_GENERATION_HAS_SLOTS && up != dentry) {
		key.ino = parent->i_ino;
		/* They differ where the file is the real one below an overlay and the name is the overlay's. */
		key.dev = parent->i_sb == super ? dev : parent->i_sb->s_dev;
		entry = aegis_object(objects, aegis_number(&key));
		if (entry && entry->flags & AEGIS_ENTRY_HAS_SLOTS && name_concerns(file, bank))
			return 1;
	}
	return info->subtree_operations & operations ? above_concerns(file, objects) : 0;
}

#endif
