/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * The probes on files and programs.
 *
 * file_open            open in all its ways, exec's own opening included; for an overlay also the real file
 * mmap_file            mapping a file as executable memory
 * file_mprotect        making an existing mapping of a file executable
 * path_truncate        truncate by path; up to 6.1 also by a descriptor, and opening with O_TRUNC
 * file_truncate        those two from 6.2 on; both are twins of inode_setattr, see attr_hooks.h
 * bprm_check_security  starting a program, a script, an interpreter
 *
 * What was opened or mapped before the probes were armed goes on working. A program earlier in the chain that
 * denies ends the chain, so the previous return value that each hook is passed is always 0 here.
 */
#ifndef AEGIS_FILE_HOOKS_H
#define AEGIS_FILE_HOOKS_H

#include "file.h"
#include "opened.h"

/* The bits that say the same in a file's mode and in operations. */
_Static_assert(FMODE_READ == AEGIS_OPERATION_READ && FMODE_WRITE == AEGIS_OPERATION_WRITE, "they are taken over");

/* The operations that an open asks for. */
static __always_inline uint32_t opening(uint32_t flags, uint32_t mode)
{
	uint32_t operations = mode & (FMODE_READ | FMODE_WRITE);

	/* Running a program needs no right to read it. */
	if (flags & F_FLAGS_EXEC)
		return AEGIS_OPERATION_EXEC;
	if (flags & O_TRUNC)
		operations |= AEGIS_OPERATION_WRITE | AEGIS_OPERATION_TRUNCATE;
	/* Opening to write at the end. Without the right to write the flag means nothing. */
	if (flags & O_APPEND && mode & FMODE_WRITE)
		operations |= AEGIS_OPERATION_APPEND;
	/* Access mode 3 opens a device for ioctl alone and asks for both rights: so do we. */
	return operations ?: AEGIS_OPERATION_READ | AEGIS_OPERATION_WRITE;
}

/* The one hot probe. It reads through verified pointers, without a helper call for each field, and has the decision
 * inline. */
SEC("lsm/file_open")
int aegis_file_open(uint64_t *ctx)
{
	const struct file *file = (const struct file *)ctx[0];
	const struct dentry *dentry = file->f_path.dentry, *up = dentry->d_parent;
	const struct inode *inode = file->f_inode, *parent = up->d_inode;
	const struct super_block *super = inode->i_sb;
	struct aegis_answer answer = {};
	struct aegis_request request = {
		.object = { inode->i_ino, super->s_dev, inode->i_generation },
		.operations = opening(file->f_flags, file->f_mode),
		.hook = AEGIS_HOOK_FILE_OPEN,
		.side = dentry,
		.mount = file->f_path.mnt,
		.up = up,
	};

	/* The root of a file system has no name. */
	if (up != dentry) {
		request.parent.ino = parent->i_ino;
		/* They differ where the file is the real one below an overlay and the name is the overlay's. */
		request.parent.dev = parent->i_sb == super ? request.object.dev : parent->i_sb->s_dev;
		request.parent.inode_generation = parent->i_generation;
	}
	aegis_decide(&request, &answer, dentry);
	/* deny: a rule, or an error that a rule could have met */
	if (concluded(&request, &answer))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/mmap_file")
int aegis_mmap_file(uint64_t *ctx)
{
	uint64_t requested = ctx[1], given = ctx[2];
	const struct file *file = NULL;

	/* allow: not executable */
	if (!((requested | given) & PROT_EXEC))
		return 0;
	/* The file is NULL for anonymous memory, but the verifier of many kernels takes it for valid and would
	 * drop a check of ctx[0]: so it is fetched as a plain address. */
	bpf_probe_read_kernel(&file, sizeof(file), ctx);
	/* allow: memory without a file */
	if (!file)
		return 0;
	/* deny: a rule, or an error that a rule could have met */
	if (file_denied(file, AEGIS_OPERATION_MAP_EXEC, AEGIS_HOOK_MMAP_FILE))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/file_mprotect")
int aegis_file_mprotect(uint64_t *ctx)
{
	const struct vm_area_struct *area = (const struct vm_area_struct *)ctx[0];
	uint64_t requested = ctx[1], given = ctx[2];
	const struct inode *inode;
	const struct file *file;
	struct path opened;

	/* allow: not executable */
	if (!((requested | given) & PROT_EXEC))
		return 0;
	file = READ(area, vm_file);
	/* allow: memory without a file */
	if (!file)
		return 0;
	opened = opened_path(file);
	inode = READ(opened.dentry, d_inode);
	/* deny: a rule on the overlay's file, or an error that a rule could have met */
	if (inode != READ(file, f_inode) &&
	    inode_denied(inode, opened.dentry, opened.mnt, AEGIS_OPERATION_MAP_EXEC, AEGIS_HOOK_FILE_MPROTECT))
		return -EPERM;
	/* deny: the same for the file itself */
	if (file_denied(file, AEGIS_OPERATION_MAP_EXEC, AEGIS_HOOK_FILE_MPROTECT))
		return -EPERM;
	/* allow: no rule speaks against either */
	return 0;
}

SEC("lsm/path_truncate")
int aegis_path_truncate(uint64_t *ctx)
{
	const struct path *path = (const struct path *)ctx[0];
	const struct dentry *dentry = READ(path, dentry);

	/* deny: a rule, or an error that a rule could have met */
	if (inode_denied(READ(dentry, d_inode), dentry, READ(path, mnt), AEGIS_OPERATION_TRUNCATE,
			 AEGIS_HOOK_PATH_TRUNCATE))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/file_truncate")
int aegis_file_truncate(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (file_denied((const struct file *)ctx[0], AEGIS_OPERATION_TRUNCATE, AEGIS_HOOK_FILE_TRUNCATE))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/bprm_check_security")
int aegis_bprm_check_security(uint64_t *ctx)
{
	const struct linux_binprm *program = (const struct linux_binprm *)ctx[0];

	/* deny: a rule, or an error that a rule could have met */
	if (file_denied(READ(program, file), AEGIS_OPERATION_EXEC, AEGIS_HOOK_BPRM_CHECK))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

#endif
