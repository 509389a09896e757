# The hand of the matrix: it reads what is to be tried, a line of JSON each, tries it in a process of its own, and
# answers with a line. Its words stand before what is tried. It decides nothing and expects nothing.
import ctypes, errno, fcntl, json, mmap, os, signal, socket, stat, struct, subprocess, sys, threading, traceback

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.mmap.restype = ctypes.c_void_p
EPERM, HERE = 1, -100
LOADER = '/lib64/ld-linux-x86-64.so.2'
LONG, DEEP = 'n' * 255, 'd/' * 200
PATH_BYTES, PAGE = 4095, 4096
CODE = mmap.PROT_READ | mmap.PROT_EXEC
FAR_LEVELS = 15
SECONDS = 60
NOBODY = 65534
# An extended attribute that every file system here has, for links too; and the two access lists.
ATTRIBUTE = 'trusted.aegis'
ACCESS_LIST, DEFAULT_LIST = 'system.posix_acl_access', 'system.posix_acl_default'
# Owner, the user 1, group, mask, others: each with its tag, its rights and an id.
ENTRIES = (1, 6, -1), (2, 4, 1), (4, 4, -1), (16, 4, -1), (32, 4, -1)
LIST = struct.pack('I', 2) + b''.join(struct.pack('HHi', *entry) for entry in ENTRIES)
MOST_FILES = 2000
# What was kept before arming, by directory and name.
kept = {}


def call(number, *words):
    """A system call by its number."""
    plain = lambda word: ctypes.c_long(word) if isinstance(word, int) else word
    result = libc.syscall(ctypes.c_long(number), *map(plain, words))
    if result < 0:
        fail()
    return result


def fail():
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def read(path, at=None, flags=0):
    """Opens for reading."""
    os.close(os.open(path, os.O_RDONLY | flags, dir_fd=at))


def write(path, at=None, flags=0):
    """Opens for writing."""
    os.close(os.open(path, os.O_WRONLY | flags, dir_fd=at))


def place(path, at=None):
    """A descriptor that only says where something is."""
    return os.open(path, os.O_PATH, dir_fd=at)


def make(path):
    """Makes a file with something in it."""
    with open(path, 'w') as file:
        file.write('content\n')


def change(path):
    """Writes to a file."""
    with open(path, 'r+') as file:
        file.write('x')


def somebody():
    """From now on this process is a user without rights."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def lost(path):
    """Fails if a file has its set-user-id bit still."""
    if os.stat(path).st_mode & stat.S_ISUID:
        raise RuntimeError(f'{path} has its set-user-id bit still')


def gone(path):
    """Removes a file if there is one."""
    if os.path.lexists(path):
        os.remove(path)


def copy(source, path):
    """Copies a program."""
    with open(source, 'rb') as old, open(path, 'wb') as new:
        new.write(old.read())
    os.chmod(path, 0o755)


def script(path, first):
    """Writes a script that does nothing."""
    with open(path, 'w') as file:
        file.write(f'#!{first}\nexit 0\n')
    os.chmod(path, 0o755)


def program(path='program'):
    """A program that does nothing; the hand can run it in any namespace."""
    copy('/bin/true', path)


def library(path='library'):
    """A library that any program can load."""
    copy('/lib/x86_64-linux-gnu/libm.so.6', path)


def far():
    """A way below this directory whose whole path has as many bytes as a path may have."""
    levels = ('f' * 255 + '/') * FAR_LEVELS
    return levels + 'g' * (PATH_BYTES - len(os.getcwd()) - 1 - len(levels))


def by_steps(path):
    """The last name of a path, after going through its directories one by one."""
    steps = path.split('/')
    for step in steps[:-1]:
        os.chdir(step)
    return steps[-1]


def make_below(path):
    """Makes a file and all directories on the way, one by one, and comes back."""
    start = os.open('.', os.O_RDONLY)
    steps = path.split('/')
    for step in steps[:-1]:
        if not os.path.isdir(step):
            os.mkdir(step)
        os.chdir(step)
    make(steps[-1])
    os.fchdir(start)


def fd_path(descriptor):
    return f'/proc/self/fd/{descriptor}'


def keep(name, value):
    """Keeps something from before arming."""
    lose(kept.get((AT, name)))
    kept[AT, name] = value


def had(name):
    """What was kept."""
    return kept[AT, name]


def lose(value):
    if isinstance(value, Mapped):
        libc.munmap(value.address, ctypes.c_size_t(PAGE))
    elif value is not None:
        os.close(value)


class Mapped:
    """The first page of a file, mapped for reading."""

    def __init__(self, path):
        file = os.open(path, os.O_RDONLY)
        flags = ctypes.c_int(mmap.MAP_PRIVATE)
        address = libc.mmap(None, ctypes.c_size_t(PAGE), ctypes.c_int(mmap.PROT_READ), flags, file, ctypes.c_long(0))
        os.close(file)
        if address in (None, 2**64 - 1):
            fail()
        self.address = ctypes.c_void_p(address)

    def protect(self, protection):
        if libc.mprotect(self.address, ctypes.c_size_t(PAGE), ctypes.c_int(protection)):
            fail()


def openat2(path, resolve=0, flags=0):
    return call(437, HERE, path.encode(), struct.pack('QQQ', flags, 0, resolve), 24)


def handle(path):
    """The handle of a file, and a descriptor of its mount."""
    buffer, mounted = ctypes.create_string_buffer(8 + 128), ctypes.c_int()
    struct.pack_into('I', buffer, 0, 128)
    call(303, HERE, path.encode(), buffer, ctypes.byref(mounted), 0)
    return buffer, os.open('.', os.O_RDONLY)


def by_handle(path, flags=0):
    name, mounted = handle(path)
    return call(304, mounted, name, flags)


def linkat(old, new, flags, at=HERE):
    call(265, at, old.encode(), HERE, new.encode(), flags)


def renameat2(old, new, flags):
    call(316, HERE, old.encode(), HERE, new.encode(), flags)


def nameless(directory='.'):
    """A file without a name."""
    return os.open(directory, os.O_TMPFILE | os.O_WRONLY, 0o600)


def map_code(file, flags=mmap.MAP_PRIVATE, protection=CODE):
    mmap.mmap(file, PAGE, flags=flags, prot=protection)


def execveat(directory, path, flags=0):
    words, none = (ctypes.c_char_p * 2)(b'tried', None), (ctypes.c_char_p * 1)(None)
    call(322, directory, path.encode(), words, none, flags)


def run(*words, **environment):
    """Runs a program to its end. What it says of a denial counts as one."""
    done = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, env={**os.environ, **environment})
    said = done.stderr.decode(errors='replace').strip()
    if 'Operation not permitted' in said or 'failed to map segment' in said:
        raise OSError(EPERM, said)
    if done.returncode:
        raise RuntimeError(f'{words} ended with {done.returncode}: {said}')


def apart(act):
    """Does something in a child; its error is ours."""
    child = os.fork()
    if not child:
        try:
            act()
            os._exit(0)
        except OSError as error:
            os._exit(error.errno or 255)
        except BaseException:
            traceback.print_exc()
            os._exit(255)
    number = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if number:
        raise OSError(number, f'a child ended with {number}')


def beside(act=lambda: None):
    """A process that does something and then stays as long as this one."""
    (began, begins), (stays, stay) = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.close(stay)
        act()
        os.write(begins, b'.')
        os.read(stays, 1)
        os._exit(0)
    os.close(begins)
    if not os.read(began, 1):
        raise RuntimeError('the process beside did not begin')
    return child


def by_thread(act):
    """Does something in a thread; its error is ours."""
    errors = []

    def work():
        try:
            act()
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


def passed(descriptor):
    """A descriptor as another process gets it over a unix socket."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        socket.send_fds(theirs, [b'.'], [descriptor])
        os._exit(0)
    os.waitpid(child, 0)
    return socket.recv_fds(ours, 1, 1)[1][0]


NEWTIME, NEWNS, NEWCGROUP, NEWUTS = 0x80, 0x20000, 0x2000000, 0x4000000
NEWIPC, NEWUSER, NEWPID, NEWNET = 0x8000000, 0x10000000, 0x20000000, 0x40000000
BIND, MOVE, REC, PRIVATE, READ_ONLY, REMOUNT, DETACH = 4096, 8192, 16384, 1 << 18, 1, 32, 2


def unshare(what):
    """New namespaces; in a new user namespace we are root, and mounts of a new one are ours alone."""
    if libc.unshare(what):
        fail()
    if what & NEWUSER:
        for name, text in ('setgroups', 'deny'), ('uid_map', '0 0 1'), ('gid_map', '0 0 1'):
            with open(f'/proc/self/{name}', 'w') as file:
                file.write(text)
    if what & NEWNS:
        mount(None, '/', None, REC | PRIVATE)


def join(process, name):
    """Enters a namespace of another process."""
    call(308, os.open(f'/proc/{process}/ns/{name}', os.O_RDONLY), 0)


def mount(source, target, kind=None, flags=0, data=None):
    encoded = [text and str(text).encode() for text in (source, target, kind, data)]
    if libc.mount(*encoded[:3], ctypes.c_ulong(flags), encoded[3]):
        fail()


def unmount(target, flags=0):
    if libc.umount2(target.encode(), flags):
        fail()


def bind(source, target, flags=0):
    mount(source, target, None, BIND | flags)


def clone(path, flags=0x8001):
    """A mount of its own, mounted nowhere."""
    return call(428, HERE, path.encode(), flags)


def attach(tree, target):
    call(429, tree, b'', HERE, target.encode(), 4)


def mounted_below(directory):
    """Where something is mounted at or below a directory, the last one first."""
    with open('/proc/self/mountinfo') as file:
        targets = [line.split(' ')[4] for line in file]
    inside = lambda target: target == directory or target.startswith(directory + '/')
    return [target for target in reversed(targets) if inside(target)]


def source_of(path):
    """The device and kind of the file system that a path is on, where it is mounted, and the way from there."""
    here, found = os.path.realpath(path), None
    with open('/proc/self/mounts') as file:
        for line in file:
            device, target, kind = line.split(' ')[:3]
            inside = here.startswith(target.rstrip('/') + '/')
            if inside and (found is None or len(target) >= len(found[2])):
                found = (device, kind, target)
    return (*found, os.path.relpath(here, found[2]))


def overlay(target='merged', lower='lower', upper='upper', work='work', more=''):
    data = f'lowerdir={lower}' + (f',upperdir={upper},workdir={work}' if upper else '') + more
    mount('overlay', target, 'overlay', 0, data)


def layers():
    """An overlay with something in each layer."""
    for name in 'lower/folder', 'upper', 'work', 'merged':
        os.makedirs(name)
    for name in 'lower/file', 'lower/other', 'lower/folder/file', 'upper/high':
        make(name)
    overlay()


class Ring:
    """An io_uring that does one thing at a time."""
    ENTER_GET, ENTER_WAKE, POLL, ASYNC = 1, 2, 2, 16

    def __init__(self, flags=0):
        parameters = ctypes.create_string_buffer(120)
        struct.pack_into('I', parameters, 8, flags)
        self.flags, self.ring = flags, call(425, 4, parameters)
        numbers = struct.unpack('30I', parameters.raw)
        self.sq, self.cq = numbers[10:20], numbers[20:30]
        size = max(self.sq[6] + numbers[0] * 4, self.cq[5] + numbers[1] * 16)
        self.map = mmap.mmap(self.ring, size)
        self.entries = mmap.mmap(self.ring, numbers[0] * 64, offset=0x10000000)

    def do(self, code, directory=HERE, address=0, length=0, second=0, flags=0, how=0):
        """Has one operation done and returns its result."""
        number = lambda word: ctypes.cast(word, ctypes.c_void_p).value if isinstance(word, bytes) else word
        struct.pack_into('BBHiQQIIQ', self.entries, 0, code, how, 0, directory, number(second), number(address),
                         length & 0xffffffff, flags, 7)
        struct.pack_into('I', self.map, self.sq[6], 0)
        tail = struct.unpack_from('I', self.map, self.sq[1])[0]
        struct.pack_into('I', self.map, self.sq[1], tail + 1)
        wake = self.ENTER_WAKE if self.flags & self.POLL else 0
        call(426, self.ring, 1, 1, self.ENTER_GET | wake, 0, 0)
        head = struct.unpack_from('I', self.map, self.cq[0])[0]
        result = struct.unpack_from('Qi', self.map, self.cq[5] + 16 * (head & 1))[1]
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return result

    def set(self, path, name, value):
        """Sets an extended attribute."""
        file = os.open(path, os.O_RDONLY)
        return self.do(41, file, name.encode(), len(value), second=value)

    def truncate(self, file, length):
        """Cuts a file; by itself before 6.9, which has no such operation."""
        try:
            return self.do(55, file, second=length)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            os.ftruncate(file, length)


def generation(path):
    """What tells an inode from others that have its number at other times."""
    with open(path) as file:
        return struct.unpack_from('I', fcntl.ioctl(file, 0x80087601, bytes(8)))[0]


def reused(path, number):
    """Makes files until one has that inode number, and names it `path`. Smaller numbers that are free come first."""
    for attempt in range(MOST_FILES):
        name = f'try-{attempt}'
        os.mknod(name, stat.S_IFREG | 0o600)
        if os.stat(name).st_ino == number:
            os.rename(name, path)
            return
    raise RuntimeError(f'inode number {number} was not used again')


def told_of(error):
    if isinstance(error, OSError) and error.errno:
        return {'errno': error.errno, 'text': str(error)}
    return {'odd': ''.join(traceback.format_exception_only(error)).strip()}


def tried(request):
    """Tries something in a child. A program that it becomes tells by how it ends."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        told = {'errno': 0}
        try:
            os.close(reader)
            signal.alarm(SECONDS)
            if 'cgroup' in request:
                with open(request['cgroup'] + '/cgroup.procs', 'w') as file:
                    file.write('0')
            os.chdir(AT)
            exec(request['code'], globals())
        except BaseException as error:
            told = told_of(error)
        os.write(writer, json.dumps(told).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, 'rb') as answer:
        told = answer.read()
    number = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if told:
        return json.loads(told)
    if number < 0:
        return {'signal': -number}
    return {'odd': f'it ended with {number}'} if number else {'errno': 0}


def done_here(request):
    """Does something in this process, so that it outlasts the arming."""
    try:
        os.chdir(AT)
        exec(request['code'], globals())
        return {'errno': 0}
    except BaseException as error:
        return told_of(error)
    finally:
        os.chdir('/')


def answered(request):
    """The value of something."""
    try:
        os.chdir(AT)
        return {'value': eval(request['code'], globals())}
    except BaseException as error:
        return told_of(error)
    finally:
        os.chdir('/')


def cleared(request):
    """Lets go of all that was kept, and unmounts what rows have mounted."""
    for key in [key for key in kept if key[0].startswith(AT)]:
        lose(kept.pop(key))
    for target in mounted_below(AT):
        unmount(target, DETACH)
    return {'errno': 0}


def serve():
    # What programs print is not to be taken for an answer.
    requests, answers = open(os.dup(0)), open(os.dup(1), 'w')
    null = os.open('/dev/null', os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    global AT
    for line in requests:
        request = json.loads(line)
        AT = request['at']
        does = {'try': tried, 'here': done_here, 'ask': answered, 'clear': cleared}
        answer = does[request['do']](request)
        answers.write(json.dumps(answer) + '\n')
        answers.flush()


serve()
