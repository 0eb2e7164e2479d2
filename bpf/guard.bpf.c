// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Keeps containers from tampering with the daemon and with what it has in the kernel (docs/adr/0020-guard.md).
 *
 * Hooks: those of BPF LSM that stand before an act on a process, a BPF object, or a name in a directory; none of them
 * is hot. Each first looks whether the target is ours, which it nearly never is, and only then who acts. It refuses,
 * with EPERM, and does nothing else: nobody is killed for trying.
 *
 * A program is not called if one before it at the same hook has refused, so what that returned is not asked. Each
 * program is optional: kernels differ in the hooks that they have.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "api/guard.h"
#include "lib/place.bpf.h"
#include "lib/pins.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define EPERM 1
#define PTRACE_MODE_ATTACH 2

/* volatile: user space reads or writes them while programs run. */
volatile struct guard_owner owner = {};
volatile struct file_key directories[GUARD_DIRECTORIES] = {};
/* 1: only who is known to be in a container, as on nodes. */
volatile __u32 containers_only = 0;
volatile __u64 refused[GUARD_TARGETS] = {};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, GUARD_OBJECTS);
	__type(key, struct guard_object);
	__type(value, __u8);
} objects SEC(".maps");

static __always_inline bool is_daemon(const struct task_struct *task)
{
	return owner.pid && (__u32)BPF_CORE_READ(task, tgid) == owner.pid && start_boottime(task) == owner.start;
}

/*
 * Whether the current process is one of those that are kept off: in scope, in a container that is not protected, and
 * not in a mount namespace of the node's. A runtime that prepares a container is in the latter; a daemon that takes
 * over is a service of the node's, or in a pod of the same set as this one, which is protected
 * (container/standing_book.h).
 */
static __noinline bool from_container(void)
{
	struct place place = {};

	if (!in_force() || !current_in_scope() || in_node_mounts() || is_daemon(current_task()))
		return false;
	current_place(&place);
	if (place.is & UNIT_PROTECTED)
		return false;
	return !(settings.containers_only || containers_only) || place.is & UNIT_CONTAINER;
}

static __always_inline int refuse(enum guard_target target)
{
	__sync_fetch_and_add(&refused[target], 1);
	return -EPERM;
}

static __always_inline int judge(bool ours, enum guard_target target)
{
	return ours && from_container() ? refuse(target) : 0;
}

/* Run by the daemon (BPF_PROG_TEST_RUN), not attached: this is who it is, to the nanosecond. */
SEC("raw_tp")
int guard_owner(void *context)
{
	owner.pid = bpf_get_current_pid_tgid() >> 32;
	owner.start = start_boottime(current_task());
	return 0;
}

/* The process. Signal 0 only asks. What the kernel itself sends is never asked about here. */

SEC("lsm/task_kill")
int BPF_PROG(guard_signal, struct task_struct *task, struct kernel_siginfo *info, int signal)
{
	return judge(signal && is_daemon(task), GUARD_PROCESS);
}

/* A signal because something happened to a descriptor (F_SETOWN, F_SETSIG). Who set that up is not known here, and the
 * daemon has no use for such signals, so it gets none. */
SEC("lsm/file_send_sigiotask")
int BPF_PROG(guard_sigio, struct task_struct *task, struct fown_struct *who, int signal)
{
	return is_daemon(task) ? refuse(GUARD_PROCESS) : 0;
}

/* Also /proc/PID/mem, process_vm_readv and -writev, pidfd_getfd. Not a mere look, as that of ps. */
SEC("lsm/ptrace_access_check")
int BPF_PROG(guard_ptrace, struct task_struct *task, unsigned int mode)
{
	return judge(mode & PTRACE_MODE_ATTACH && is_daemon(task), GUARD_PROCESS);
}

/* RLIMIT_CPU kills. */
SEC("lsm/task_setrlimit")
int BPF_PROG(guard_limit, struct task_struct *task)
{
	return judge(is_daemon(task), GUARD_PROCESS);
}

SEC("lsm/task_setscheduler")
int BPF_PROG(guard_priority, struct task_struct *task)
{
	return judge(is_daemon(task), GUARD_PROCESS);
}

/* BPF objects. */

static __always_inline bool is_ours(__u32 kind, __u32 id)
{
	struct guard_object key = {.kind = kind, .id = id};

	return bpf_map_lookup_elem(&objects, &key);
}

/* What the daemon itself makes or opens is its own: tables of rules come and go with each reload. */
static __always_inline int judge_object(__u32 kind, __u32 id)
{
	struct guard_object key = {.kind = kind, .id = id};
	__u8 yes = 1;

	if (is_daemon(current_task())) {
		bpf_map_update_elem(&objects, &key, &yes, BPF_ANY);
		return 0;
	}
	return judge(is_ours(kind, id), GUARD_OBJECT);
}

/* A new descriptor of a map, by its id or by its pin; reading is no better than writing, for rules are secret. */
SEC("lsm/bpf_map")
int BPF_PROG(guard_map, struct bpf_map *map)
{
	return judge_object(GUARD_MAP, BPF_CORE_READ(map, id));
}

SEC("lsm/bpf_prog")
int BPF_PROG(guard_program, struct bpf_prog *program)
{
	return judge_object(GUARD_PROGRAM, BPF_CORE_READ(program, aux, id));
}

/* The id of the link that is behind a descriptor of the current process. What is none gives some number, and there is
 * nothing to be lost by refusing such a call. */
static __always_inline __u32 link_behind(__u32 descriptor)
{
	struct fdtable *table = BPF_CORE_READ(current_task(), files, fdt);
	struct bpf_link *link;
	struct file *file = NULL;

	if (descriptor >= BPF_CORE_READ(table, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + descriptor);
	link = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(link, id);
}

/* Links have no hook of their own. `attributes` is the kernel's copy. */
SEC("lsm/bpf")
int BPF_PROG(guard_bpf, int command, union bpf_attr *attributes)
{
	__u32 id;

	/* All three have a u32 as their first field: a descriptor or an id. */
	if (command != BPF_LINK_GET_FD_BY_ID && command != BPF_LINK_DETACH && command != BPF_LINK_UPDATE)
		return 0;
	bpf_probe_read_kernel(&id, sizeof(id), attributes);
	if (command != BPF_LINK_GET_FD_BY_ID)
		id = link_behind(id);
	return judge(id && is_ours(GUARD_LINK, id), GUARD_OBJECT);
}

/* Names. What is made in the directory counts as well: the next daemon does not use one in which it finds strange
 * things. */

static __always_inline bool is_directory(struct inode *inode)
{
	struct file_key key = {.inode = BPF_CORE_READ(inode, i_ino), .device = BPF_CORE_READ(inode, i_sb, s_dev)};

	if (!key.inode)
		return false;
	return (key.inode == directories[0].inode && key.device == directories[0].device) ||
	       (key.inode == directories[1].inode && key.device == directories[1].device);
}

/* In such a directory, or one itself. */
static __always_inline bool is_pin(struct inode *parent, struct dentry *name)
{
	return is_directory(parent) || is_directory(BPF_CORE_READ(name, d_inode));
}

SEC("lsm/inode_unlink")
int BPF_PROG(guard_unlink, struct inode *parent, struct dentry *name)
{
	return judge(is_directory(parent), GUARD_PIN);
}

SEC("lsm/inode_rmdir")
int BPF_PROG(guard_rmdir, struct inode *parent, struct dentry *name)
{
	return judge(is_pin(parent, name), GUARD_PIN);
}

SEC("lsm/inode_rename")
int BPF_PROG(guard_rename, struct inode *parent, struct dentry *name, struct inode *new_parent, struct dentry *new_name)
{
	return judge(is_pin(parent, name) || is_pin(new_parent, new_name), GUARD_PIN);
}

SEC("lsm/inode_mkdir")
int BPF_PROG(guard_mkdir, struct inode *parent, struct dentry *name)
{
	return judge(is_directory(parent), GUARD_PIN);
}

SEC("lsm/inode_symlink")
int BPF_PROG(guard_symlink, struct inode *parent, struct dentry *name)
{
	return judge(is_directory(parent), GUARD_PIN);
}

SEC("lsm/inode_link")
int BPF_PROG(guard_hardlink, struct dentry *old_name, struct inode *parent)
{
	return judge(is_directory(parent), GUARD_PIN);
}

/* A pin, which no hook of inodes is asked about. */
SEC("lsm/path_mknod")
int BPF_PROG(guard_pin, struct path *parent)
{
	return judge(is_directory(BPF_CORE_READ(parent, dentry, d_inode)), GUARD_PIN);
}
