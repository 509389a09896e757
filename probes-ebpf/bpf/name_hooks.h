/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * The probes on names: what is made, linked, renamed and removed in directories.
 *
 * inode_create   path_mknod    a regular file is made, by opening it or by mknod
 * inode_mknod    path_mknod    a device node, pipe or socket is made
 * inode_mkdir    path_mkdir    a directory is made
 * inode_symlink  path_symlink  a symbolic link is made
 * inode_link     path_link     a file gets one more name: the file with its old name, and the new name
 * inode_unlink   path_unlink   a name is taken away
 * inode_rmdir    path_rmdir    a directory is removed
 * inode_rename   path_rename   both ends, each with what is there: what is renamed, and what it replaces
 *
 * The hooks on inodes are reached by all ways, also from an overlay and the NFS server. Their twins on paths come
 * before them and know the mount, so that a denial is told with the whole path; everything else they leave to
 * the other hook, and nothing is told twice. For an exchange the kernel asks inode_rename twice, once each way.
 *
 * The arguments are the same from 6.1 to 6.12: (old) directory, (old) dentry, (new) directory, (new) dentry, where
 * the directory is an inode or, for the twins, a path.
 */
#ifndef AEGIS_NAME_HOOKS_H
#define AEGIS_NAME_HOOKS_H

#include "file.h"

/* Whether an operation on a name is denied, and on what stands there, if anything does. */
static __always_inline int name_denied(const struct dentry *dentry, uint32_t operations, uint32_t hook)
{
	return inode_denied(READ(dentry, d_inode), dentry, NULL, operations, hook);
}

/* The same for a twin. */
static __always_inline int twin_denied(const struct path *directory, const struct dentry *dentry,
				       uint32_t operations, uint32_t hook)
{
	return inode_denied(READ(dentry, d_inode), dentry, READ(directory, mnt), operations, hook);
}

SEC("lsm/inode_create")
int aegis_inode_create(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (name_denied(ARGUMENT(struct dentry, 1), AEGIS_OPERATION_CREATE, AEGIS_HOOK_INODE_CREATE))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/inode_link")
int aegis_inode_link(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (name_denied(ARGUMENT(struct dentry, 0), AEGIS_OPERATION_LINK, AEGIS_HOOK_INODE_LINK) ||
	    name_denied(ARGUMENT(struct dentry, 2), AEGIS_OPERATION_LINK, AEGIS_HOOK_INODE_LINK))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/inode_unlink")
int aegis_inode_unlink(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (name_denied(ARGUMENT(struct dentry, 1), AEGIS_OPERATION_UNLINK, AEGIS_HOOK_INODE_UNLINK))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/inode_symlink")
int aegis_inode_symlink(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (name_denied(ARGUMENT(struct dentry, 1), AEGIS_OPERATION_SYMLINK, AEGIS_HOOK_INODE_SYMLINK))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/inode_mkdir")
int aegis_inode_mkdir(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (name_denied(ARGUMENT(struct dentry, 1), AEGIS_OPERATION_MKDIR, AEGIS_HOOK_INODE_MKDIR))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/inode_rmdir")
int aegis_inode_rmdir(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (name_denied(ARGUMENT(struct dentry, 1), AEGIS_OPERATION_UNLINK, AEGIS_HOOK_INODE_RMDIR))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/inode_mknod")
int aegis_inode_mknod(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (name_denied(ARGUMENT(struct dentry, 1), AEGIS_OPERATION_MKNOD, AEGIS_HOOK_INODE_MKNOD))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/inode_rename")
int aegis_inode_rename(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (name_denied(ARGUMENT(struct dentry, 1), AEGIS_OPERATION_RENAME, AEGIS_HOOK_INODE_RENAME) ||
	    name_denied(ARGUMENT(struct dentry, 3), AEGIS_OPERATION_RENAME, AEGIS_HOOK_INODE_RENAME))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

/* The file type in a mode (include/uapi/linux/stat.h). No type means a regular file. */
#define S_IFMT 0170000
#define S_IFREG 0100000

SEC("lsm/path_mknod")
int aegis_path_mknod(uint64_t *ctx)
{
	uint32_t type = ctx[2] & S_IFMT;
	uint32_t operation = !type || type == S_IFREG ? AEGIS_OPERATION_CREATE : AEGIS_OPERATION_MKNOD;

	/* deny: a rule, or an error that a rule could have met */
	if (twin_denied(ARGUMENT(struct path, 0), ARGUMENT(struct dentry, 1), operation, AEGIS_HOOK_PATH_MKNOD))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

/* The old name's directory is not among the arguments; it is on the same mount as the new one. */
SEC("lsm/path_link")
int aegis_path_link(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (twin_denied(ARGUMENT(struct path, 1), ARGUMENT(struct dentry, 0), AEGIS_OPERATION_LINK,
			AEGIS_HOOK_PATH_LINK) ||
	    twin_denied(ARGUMENT(struct path, 1), ARGUMENT(struct dentry, 2), AEGIS_OPERATION_LINK,
			AEGIS_HOOK_PATH_LINK))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/path_unlink")
int aegis_path_unlink(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (twin_denied(ARGUMENT(struct path, 0), ARGUMENT(struct dentry, 1), AEGIS_OPERATION_UNLINK,
			AEGIS_HOOK_PATH_UNLINK))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/path_symlink")
int aegis_path_symlink(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (twin_denied(ARGUMENT(struct path, 0), ARGUMENT(struct dentry, 1), AEGIS_OPERATION_SYMLINK,
			AEGIS_HOOK_PATH_SYMLINK))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/path_mkdir")
int aegis_path_mkdir(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (twin_denied(ARGUMENT(struct path, 0), ARGUMENT(struct dentry, 1), AEGIS_OPERATION_MKDIR,
			AEGIS_HOOK_PATH_MKDIR))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/path_rmdir")
int aegis_path_rmdir(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (twin_denied(ARGUMENT(struct path, 0), ARGUMENT(struct dentry, 1), AEGIS_OPERATION_UNLINK,
			AEGIS_HOOK_PATH_RMDIR))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/path_rename")
int aegis_path_rename(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (twin_denied(ARGUMENT(struct path, 0), ARGUMENT(struct dentry, 1), AEGIS_OPERATION_RENAME,
			AEGIS_HOOK_PATH_RENAME) ||
	    twin_denied(ARGUMENT(struct path, 2), ARGUMENT(struct dentry, 3), AEGIS_OPERATION_RENAME,
			AEGIS_HOOK_PATH_RENAME))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

#endif
