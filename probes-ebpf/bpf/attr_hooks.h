/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * The probes on attributes: what is known of a file beside its content.
 *
 * inode_setattr     path_chmod     mode bits: chmod in all its ways, by descriptor too
 *                   path_chown     owner and group
 *                                  times, where they are set; what the kernel notes by itself passes no hook
 *                   path_truncate  the size; file_truncate from 6.2 on
 * inode_setxattr                   an extended attribute is set; up to 6.1 an access list too
 * inode_removexattr                it is removed; up to 6.1 an access list too
 * inode_set_acl                    an access list is set, from 6.2 on
 * inode_remove_acl                 it is removed, from 6.2 on
 *
 * inode_setattr is reached by all ways, also from an overlay, the NFS server and a core dump, which pass none of the
 * hooks beside it. path_chmod and path_chown are its twins: they come before it and know the mount, so that a denial is
 * told with the whole path; everything else they leave to it, and nothing is told twice. Of a new size alone it is itself
 * the twin: it denies what came another way, and leaves everything else to the hooks that decide upon it before.
 *
 * The arguments: inode_setattr has (dentry, change) up to 6.8, and the mount's idmap before them from 6.9 on. Whoever
 * takes the one for the other loads and reads garbage, as the number behind the last argument is the return value: so
 * they are counted from the end, by the number that the kernel's BTF gives, which the kernel keeps for the program. The
 * hooks on extended attributes and access lists have (user namespace or idmap, dentry, name, …) from 6.1 to 6.12, and
 * the twins the path first.
 */
#ifndef AEGIS_ATTR_HOOKS_H
#define AEGIS_ATTR_HOOKS_H

#include "file.h"

/* The arguments of a hook, and how many it has; see kernel.h for the numbers. */
static long (*const bpf_get_func_arg)(void *ctx, uint32_t number, uint64_t *value) = (void *)183;
static long (*const bpf_get_func_arg_cnt)(void *ctx) = (void *)185;

/* How attributes are to be changed. */
struct iattr {
	uint32_t ia_valid;
} __attribute__((preserve_access_index));

/* What is to change (include/linux/fs.h): the same numbers from 6.1 to 6.12. */
#define ATTR_MODE (1 << 0)
#define ATTR_OWNER (1 << 1 | 1 << 2)
#define ATTR_SIZE (1 << 3)
#define ATTR_TIMES (1 << 4 | 1 << 5)
/* The times are given (ATTR_ATIME_SET, ATTR_MTIME_SET), or are to be changed on demand (ATTR_TIMES_SET, ATTR_TOUCH). */
#define ATTR_TIMES_ASKED (1 << 7 | 1 << 8 | 1 << 16 | 1 << 17)
#define ATTR_FORCE (1 << 9)
#define ATTR_KILL_SUID_SGID (1 << 11 | 1 << 12)

/* All that inode_setattr can be about. */
#define ALL_CHANGES                                                                                            \
	(AEGIS_OPERATION_TRUNCATE | AEGIS_OPERATION_CHMOD | AEGIS_OPERATION_CHOWN | AEGIS_OPERATION_UTIME)

/* The operations that a change asks for. */
static __always_inline uint32_t changing(uint32_t change)
{
	uint32_t operations = change & ATTR_SIZE ? AEGIS_OPERATION_TRUNCATE : 0;

	/* The kernel's own change on the way of another operation, which was decided by itself: whoever writes to or
	 * truncates a file takes away its set-user-id bit. To deny that would be to deny the writing, or leave the bit. */
	if (change & ATTR_FORCE)
		return operations;
	/* A changed owner takes that bit away too; the kernel never takes it away where the mode is asked for. With this
	 * alone the owner was given as "unchanged". */
	if (change & ATTR_KILL_SUID_SGID)
		operations |= AEGIS_OPERATION_CHOWN;
	else if (change & ATTR_MODE)
		operations |= AEGIS_OPERATION_CHMOD;
	if (change & ATTR_OWNER)
		operations |= AEGIS_OPERATION_CHOWN;
	/* A new size brings new times along, which nobody asked for. */
	if (change & ATTR_TIMES_ASKED || (change & ATTR_TIMES && !(change & ATTR_SIZE)))
		operations |= AEGIS_OPERATION_UTIME;
	return operations;
}

/* Whether operations are denied on what stands at a dentry. */
static __always_inline int attributes_denied(const struct dentry *dentry, const struct vfsmount *mnt,
					     uint32_t operations, uint32_t hook)
{
	return inode_denied(READ(dentry, d_inode), dentry, mnt, operations, hook);
}

SEC("lsm/inode_setattr")
int aegis_inode_setattr(uint64_t *ctx)
{
	const uint64_t arguments = bpf_get_func_arg_cnt(ctx);
	uint64_t dentry = 0, attributes = 0;
	uint32_t change = 0, operations = ALL_CHANGES;

	/* deny: no arguments, which cannot be */
	if (bpf_get_func_arg(ctx, arguments - 2, &dentry) || bpf_get_func_arg(ctx, arguments - 1, &attributes))
		return -EPERM;
	/* If it cannot be read, which cannot be, whatever could be asked for is: a rule on any of it denies. */
	if (!bpf_probe_read_kernel(&change, sizeof(change), &((const struct iattr *)attributes)->ia_valid))
		operations = changing(change);
	/* allow: nothing that a rule can be on, such as the time of this change alone, or what the kernel forces */
	if (!operations)
		return 0;
	/* deny: a rule, or an error that a rule could have met */
	if (attributes_denied((const struct dentry *)dentry, NULL, operations, AEGIS_HOOK_INODE_SETATTR))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/path_chmod")
int aegis_path_chmod(uint64_t *ctx)
{
	const struct path *path = ARGUMENT(struct path, 0);

	/* deny: a rule, or an error that a rule could have met */
	if (attributes_denied(READ(path, dentry), READ(path, mnt), AEGIS_OPERATION_CHMOD, AEGIS_HOOK_PATH_CHMOD))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/path_chown")
int aegis_path_chown(uint64_t *ctx)
{
	const struct path *path = ARGUMENT(struct path, 0);

	/* deny: a rule, or an error that a rule could have met */
	if (attributes_denied(READ(path, dentry), READ(path, mnt), AEGIS_OPERATION_CHOWN, AEGIS_HOOK_PATH_CHOWN))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

/* How the names of access lists begin: the one that is asked, and of directories the one that is handed down. */
#define ACCESS_LIST "system.posix_acl_"
#define ACCESS_LIST_BYTES (sizeof(ACCESS_LIST) - 1)

/* The operations that an extended attribute asks for, by its name. An access list says the same as mode bits. */
static __always_inline uint32_t naming(const char *name)
{
	char start[ACCESS_LIST_BYTES + 1] = {};

	/* If it cannot be read, which cannot be, both are asked for: a rule on either denies. */
	if (bpf_probe_read_kernel_str(start, sizeof(start), name) < 0)
		return AEGIS_OPERATION_CHMOD | AEGIS_OPERATION_XATTR;
#pragma unroll
	for (uint32_t at = 0; at < ACCESS_LIST_BYTES; at++)
		if (start[at] != ACCESS_LIST[at])
			return AEGIS_OPERATION_XATTR;
	return AEGIS_OPERATION_CHMOD;
}

SEC("lsm/inode_setxattr")
int aegis_inode_setxattr(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (attributes_denied(ARGUMENT(struct dentry, 1), NULL, naming(ARGUMENT(char, 2)),
			      AEGIS_HOOK_INODE_SETXATTR))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/inode_removexattr")
int aegis_inode_removexattr(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (attributes_denied(ARGUMENT(struct dentry, 1), NULL, naming(ARGUMENT(char, 2)),
			      AEGIS_HOOK_INODE_REMOVEXATTR))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/inode_set_acl")
int aegis_inode_set_acl(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (attributes_denied(ARGUMENT(struct dentry, 1), NULL, AEGIS_OPERATION_CHMOD, AEGIS_HOOK_INODE_SET_ACL))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/inode_remove_acl")
int aegis_inode_remove_acl(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (attributes_denied(ARGUMENT(struct dentry, 1), NULL, AEGIS_OPERATION_CHMOD,
			      AEGIS_HOOK_INODE_REMOVE_ACL))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

#endif
