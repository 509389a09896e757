/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * The way up from what is acted upon, for rules on subtrees: along the directories to the root of the file system, so
 * that binding a part of it elsewhere is no way out; and across the mounts to the root of the namespace, so that what is
 * mounted below a directory is below it. Hooks that know no mount walk the file system alone.
 */
#ifndef AEGIS_CLIMB_H
#define AEGIS_CLIMB_H

#include "decide.h"
#include "name.h"

/* Where the way is. */
struct climb {
	const struct aegis_request *request;
	struct aegis_above *above;
	const struct dentry *dentry;
	/* The mount that the way has not come to the root of; NULL once it has, or if it is not known. */
	const struct vfsmount *mnt;
	/* Where the way goes on from the root of the file system; NULL if it ends there. */
	const struct dentry *place;
	const struct vfsmount *outer;
	uint32_t generation;
	uint8_t is_done;
	/* AEGIS_REASON_NONE, or why the request is undecidable. */
	uint8_t failed;
};

/* Looks at a directory. Returns whether to stop. */
static __always_inline long look_above(struct climb *climb, const struct dentry *directory, const struct dentry *name)
{
	struct aegis_object_key key;

	identify(&key, READ(directory, d_inode));
	climb->failed = aegis_look_above(climb->request, climb->generation, climb->above, &key, name);
	return climb->failed != AEGIS_REASON_NONE;
}

/* Comes to the root of a mount: notes where it is mounted. The way first goes on to the root of the file system. */
static __always_inline void leave_mount(struct climb *climb)
{
	struct mount *mount = (void *)climb->mnt - OFFSET_OF(struct mount, mnt), *outer = READ(mount, mnt_parent);

	climb->mnt = NULL;
	/* The first mount of a namespace, or one that is mounted nowhere. */
	if (!outer || outer == mount)
		return;
	climb->place = READ(mount, mnt_mountpoint);
	climb->outer = &outer->mnt;
}

/* Comes to the root of the file system. Returns whether to stop. */
static __always_inline long leave_file_system(struct climb *climb, const struct dentry *root)
{
	/* Opened by a handle, and not found in any directory yet: it may be below any. */
	if (READ(root, d_flags) & DCACHE_DISCONNECTED) {
		climb->failed = AEGIS_REASON_WALK_INCOMPLETE;
		return 1;
	}
	if (!climb->outer) {
		climb->is_done = 1;
		return 1;
	}
	climb->dentry = climb->place;
	climb->mnt = climb->outer;
	climb->outer = NULL;
	/* The directory that is covered by the mount. */
	return look_above(climb, climb->dentry, NULL);
}

static long climb_step(uint64_t number, struct climb *climb)
{
	const struct dentry *dentry = climb->dentry, *up;

	if (climb->mnt && READ(climb->mnt, mnt_root) == dentry)
		leave_mount(climb);
	up = READ(dentry, d_parent);
	if (!up || up == dentry)
		return leave_file_system(climb, dentry);
	climb->dentry = up;
	/* The name of what is acted upon was asked for by itself. It is known by the number: verifiers up to 6.6 look at a
	 * step once, and take what a step has left for the next to be still as it was before the first. */
	return look_above(climb, up, number ? dentry : NULL);
}

AEGIS_SUBPROGRAM int aegis_climb(const struct aegis_request *request, uint32_t generation, struct aegis_above *above)
{
	struct climb climb = { .request = request, .above = above, .generation = generation };

	/* The caller passes no NULL; the verifier, which looks at this function alone, does not know it. */
	if (!request || !above)
		return AEGIS_REASON_TABLE_MISSING;
	climb.dentry = request->side;
	climb.mnt = request->mount;
	aegis_loop(AEGIS_WALK_STEPS, climb_step, &climb);
	if (climb.failed)
		return climb.failed;
	/* Deeper than is walked. */
	return climb.is_done ? AEGIS_REASON_NONE : AEGIS_REASON_WALK_INCOMPLETE;
}

#endif
