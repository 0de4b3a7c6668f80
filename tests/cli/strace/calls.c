/* Makes syscalls of many kinds, the same each time, for strace and ftrun strace to print.
 * What it makes lies in the current directory. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#define CALL(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

static char buf[8192];

static void handler(int number) { (void)number; }

static void files(void) {
	static const char odd[] = "a\0" "001\1" "8\2" "9\3\"\\\n\r\t\v\f\33\177\200 and more than is shown";
	struct stat st;
	struct statx sx;
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0640);
	write(fd, odd, sizeof odd);
	write(fd, "", 0);
	write(fd, NULL, 0);
	write(fd, (void *)8, 5);
	write(fd, "12345678901234567890123456789012", 32);
	lseek(fd, 0, SEEK_SET);
	pread(fd, buf, 10, 2);
	pwrite(fd, "xyz", 3, 1);
	CALL(stat, "file", &st);
	CALL(lstat, "file", &st);
	CALL(fstat, fd, &st);
	CALL(stat, "/dev/null", &st);
	CALL(stat, "nothing", &st);
	/* Of a directory that others use the size may change. */
	mkdir("sticky", 0700);
	chmod("sticky", 01777);
	CALL(newfstatat, AT_FDCWD, "sticky", &st, AT_SYMLINK_NOFOLLOW);
	rmdir("sticky");
	statx(AT_FDCWD, "file", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &sx);
	access("file", R_OK | W_OK);
	access("file", F_OK);
	CALL(faccessat2, AT_FDCWD, "file", R_OK, AT_EACCESS);
	symlink("file", "link");
	readlink("link", buf, 100);
	readlink("nothing", buf, 100);
	unlink("link");
	rename("file", "other");
	link("other", "file");
	unlink("other");
	CALL(renameat2, AT_FDCWD, "file", AT_FDCWD, "other", RENAME_NOREPLACE);
	CALL(rename, "other", "file");
	chmod("file", 0);
	fchmod(fd, 04755);
	chown("file", -1, -1);
	umask(0);
	umask(022);
	truncate("file", 100);
	ftruncate(fd, 50);
	fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4096);
	mknod("fifo", S_IFIFO | 0600, 0);
	unlink("fifo");
	mknod("nothing/device", S_IFCHR | 0600, makedev(1, 3));
	struct timespec times[2] = {{1, 0}, {0, UTIME_NOW}};
	utimensat(AT_FDCWD, "file", times, 0);
	times[0].tv_nsec = UTIME_OMIT;
	CALL(utimensat, fd, NULL, times, 0);
	struct utimbuf utime_times = {5, 6};
	CALL(utime, "file", &utime_times);
	struct timeval utimes_times[2] = {{1, 2}, {3, 4}};
	CALL(utimes, "file", utimes_times);
	flock(fd, LOCK_EX | LOCK_NB);
	flock(fd, LOCK_UN);
	fsync(fd);
	struct open_how how = {O_RDONLY, 0, RESOLVE_BENEATH};
	close(CALL(openat2, AT_FDCWD, "file", &how, sizeof how));
	setxattr("file", "user.name", "value", 5, XATTR_CREATE);
	getxattr("nothing", "user.name", buf, 100);
	close(fd);
	mkdir("dir", 0755);
	fd = open("dir", O_RDONLY | O_DIRECTORY);
	CALL(getdents64, fd, buf, 8000);
	CALL(getdents64, fd, buf, 8000);
	close(fd);
	rmdir("dir");
	unlink("file");
	CALL(getcwd, buf, 1);
}

static void descriptors(void) {
	int pipes[2], fd = open("/dev/null", O_RDWR);
	fcntl(fd, F_GETFL);
	fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK);
	fcntl(fd, F_GETFD);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_GETFD);
	close(fcntl(fd, F_DUPFD, 10));
	close(fcntl(fd, F_DUPFD_CLOEXEC, 12));
	fcntl(fd, 9999, 5);
	int regular = open("locked", O_RDWR | O_CREAT, 0600);
	struct flock lock = {F_WRLCK, SEEK_SET, 0, 10, 0};
	fcntl(regular, F_SETLK, &lock);
	lock.l_type = F_RDLCK;
	fcntl(regular, F_GETLK, &lock);
	dup2(fd, 20);
	dup3(fd, 21, O_CLOEXEC);
	close(20);
	close(21);
	close(-1);
	CALL(pipe, pipes);
	close(pipes[0]);
	close(pipes[1]);
	pipe2(pipes, O_CLOEXEC | O_NONBLOCK);
	char many[100];
	memset(many, 'z', sizeof many);
	struct iovec out[3] = {{"abc", 3}, {NULL, 0}, {many, sizeof many}}, in[2] = {{buf, 2}, {buf + 100, 200}};
	writev(pipes[1], out, 3);
	int ready = 0;
	ioctl(pipes[0], FIONREAD, &ready);
	readv(pipes[0], in, 2);
	readv(pipes[0], in, 2);
	CALL(writev, pipes[1], NULL, 0);
	struct pollfd polled[2] = {{pipes[0], POLLIN, 0}, {pipes[1], POLLOUT | POLLHUP, 0}};
	CALL(poll, polled, 2, 0);
	CALL(poll, polled, 1, 0);
	CALL(poll, NULL, 0, 1);
	struct timespec short_time = {0, 0};
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ppoll(polled, 1, &short_time, &set);
	fd_set readable, writable;
	FD_ZERO(&readable);
	FD_ZERO(&writable);
	FD_SET(pipes[0], &readable);
	FD_SET(pipes[1], &writable);
	struct timeval none = {0, 0};
	CALL(select, pipes[1] + 1, &readable, &writable, NULL, &none);
	FD_SET(pipes[0], &readable);
	FD_CLR(pipes[1], &writable);
	CALL(select, pipes[1] + 1, &readable, &writable, NULL, &none);
	FD_SET(pipes[0], &readable);
	FD_SET(pipes[1], &writable);
	pselect(pipes[1] + 1, &readable, &writable, NULL, &short_time, &set);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {EPOLLOUT | EPOLLET, {.u32 = 7}}, events[4];
	epoll_ctl(epoll, EPOLL_CTL_ADD, pipes[1], &event);
	epoll_wait(epoll, events, 4, 0);
	epoll_wait(epoll, events, 4, 0);
	epoll_ctl(epoll, EPOLL_CTL_DEL, pipes[1], NULL);
	int counter = eventfd(3, EFD_NONBLOCK);
	read(counter, buf, 8);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct itimerspec spec = {{1, 2}, {3000, 4}}, former;
	timerfd_settime(timer, 0, &spec, &former);
	signalfd(-1, &set, SFD_CLOEXEC);
	int watch = inotify_init1(IN_CLOEXEC);
	inotify_add_watch(watch, ".", IN_CREATE | IN_DELETE);
	lseek(regular, 0, SEEK_SET);
	write(regular, "some content", 12);
	int copy = open("copy", O_RDWR | O_CREAT, 0644);
	off_t offset = 0;
	sendfile(copy, regular, &offset, 10);
	loff_t from = 0, to = 0;
	CALL(copy_file_range, regular, &from, copy, &to, 10, 0);
	CALL(splice, pipes[0], NULL, copy, NULL, 10, SPLICE_F_NONBLOCK);
	posix_fadvise(regular, 0, 0, POSIX_FADV_SEQUENTIAL);
	CALL(close_range, 3, 200, 0);
	unlink("locked");
	unlink("copy");
}

static void processes(void) {
	struct rlimit limit;
	struct utsname name;
	struct rusage usage;
	int number, status;
	CALL(getrlimit, RLIMIT_CORE, &limit);
	limit.rlim_cur = 0;
	setrlimit(RLIMIT_CORE, &limit);
	uname(&name);
	getuid();
	CALL(setreuid, -1, -1);
	sched_yield();
	sched_getscheduler(0);
	CALL(sched_get_priority_max, SCHED_FIFO);
	prctl(PR_SET_NAME, "a name");
	prctl(PR_GET_NAME, buf);
	prctl(PR_GET_DUMPABLE);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	prctl(PR_GET_PDEATHSIG, &number);
	prctl(12345, 1, 2, 3, 4);
	char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(memory, 4096, PROT_NONE);
	madvise(memory, 4096, MADV_DONTNEED);
	munmap(memory, 8192);
	mmap(NULL, 0, PROT_READ, MAP_PRIVATE, -1, 0);
	int file = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK);
	fcntl(file, F_GET_SEALS);
	close(file);
	if (fork() == 0)
		_exit(3);
	wait4(-1, &status, 0, NULL);
	if (fork() == 0) {
		char *argv[] = {"true", "an argument of more than thirty-two characters", NULL};
		char *envp[] = {"ONE=1", NULL};
		execve("/nonexistent/file", argv, envp);
		execve("/bin/true", argv, envp);
		_exit(1);
	}
	wait4(-1, &status, 0, NULL);
	if (fork() == 0)
		raise(SIGKILL);
	waitpid(-1, &status, 0);
	if (fork() == 0)
		*(volatile int *)16 = 1;
	waitpid(-1, &status, 0);
	waitpid(-1, &status, WNOHANG);
	CALL(waitid, P_ALL, 0, NULL, WEXITED | WNOHANG, &usage);
}

static void signals(void) {
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	sigset_t set, former;
	siginfo_t info;
	stack_t stack;
	int pipes[2];
	sigaction(SIGUSR1, &action, NULL);
	action.sa_flags = SA_SIGINFO;
	sigaddset(&action.sa_mask, SIGTERM);
	sigaction(SIGUSR2, &action, &action);
	sigaction(SIGUSR2, NULL, &action);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &former);
	sigprocmask(SIG_SETMASK, NULL, &former);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigfillset(&former);
	sigprocmask(SIG_BLOCK, &former, &former);
	sigprocmask(SIG_SETMASK, &former, NULL);
	sigpending(&former);
	sigaltstack(NULL, &stack);
	kill(getpid(), SIGUSR1);
	CALL(tgkill, getpid(), syscall(SYS_gettid), SIGUSR2);
	sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 77});
	sigaddset(&set, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 78});
	sigtimedwait(&set, &info, &(struct timespec){0, 1});
	sigtimedwait(&set, &info, &(struct timespec){0, 1});
	kill(getpid(), 164);
	action = (struct sigaction){.sa_handler = handler};
	sigaction(SIGALRM, &action, NULL);
	/* So late that the call has begun that it ends, on a busy machine, too. */
	struct itimerval soon = {{0, 0}, {1, 0}};
	setitimer(ITIMER_REAL, &soon, NULL);
	pause();
	pipe(pipes);
	setitimer(ITIMER_REAL, &soon, NULL);
	read(pipes[0], buf, 1);
	setitimer(ITIMER_REAL, &soon, NULL);
	CALL(poll, NULL, 0, 5000);
}

static void futexes(void) {
	int word = 0;
	struct timespec time = {0, 1};
	CALL(futex, &word, 0, 1, NULL);
	CALL(futex, &word, 0, 0, &time);
	CALL(futex, &word, 128 | 9 | 256, 0, &time, NULL, 3);
	CALL(futex, &word, 1, 1);
	CALL(futex, &word, 3, 1, 1, &word);
	CALL(futex, &word, 5, 1, 1, &word, 1 << 28 | 2 << 12 | 3);
	CALL(futex, &word, 10, 1, NULL, NULL, 7);
	CALL(futex, &word, 7);
}

static void rarer(void) {
	struct {
		unsigned bytes;
		int type;
		unsigned char handle[128];
	} handle = {0, 0, {0}};
	int mount, fd = open("file", O_RDWR | O_CREAT, 0600);
	fcntl(fd, F_DUPFD, -1);
	fcntl(fd, F_SETSIG, SIGUSR2);
	fcntl(fd, F_GETSIG);
	fcntl(fd, F_SETSIG, 0);
	fcntl(fd, F_GETSIG);
	fcntl(fd, F_GETLEASE);
	CALL(ftruncate, fd, -1);
	CALL(truncate, "file", -1);
	CALL(readlink, "file", buf, -1);
	CALL(readlink, "/proc/self/fd", buf, 0);
	CALL(name_to_handle_at, AT_FDCWD, "file", &handle, &mount, 0);
	handle.bytes = 128;
	CALL(name_to_handle_at, AT_FDCWD, "nothing", &handle, &mount, 0);
	memset(&handle, 0x55, sizeof handle);
	handle.bytes = 4;
	handle.type = 0x81;
	CALL(open_by_handle_at, -1, &handle, O_RDONLY);
	handle.bytes = 1000;
	CALL(open_by_handle_at, -1, &handle, O_RDONLY);
	char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CALL(mremap, memory, 4096, 8192, 1 | 4, memory);
	CALL(mremap, memory + 1, 4096, 8192, 1 | 2, memory);
	CALL(ptrace, 0, 0, 0, 0);
	CALL(ptrace, 16, -1, 0, 0);
	CALL(sched_setaffinity, 0, 16, NULL);
	CALL(sched_setscheduler, 0, 77, &mount);
	CALL(syslog, 10, NULL, 0);
	CALL(syslog, 9, buf, 10);
	CALL(syslog, 3, NULL, -1);
	CALL(ioprio_set, 1, 0, 2 << 13 | 6);
	CALL(ioprio_set, 1, 0, 9 << 13 | 6);
	CALL(ioprio_get, 1, 0);
	CALL(get_mempolicy, &mount, NULL, 0, NULL, 0);
	CALL(keyctl, 6, 123456789, buf, 100);
	CALL(keyctl, 0, -3, 0);
	prctl(PR_GET_SECCOMP);
	struct sigaction action = {.sa_handler = handler, .sa_flags = (int)SA_RESETHAND | SA_RESTART};
	sigaction(SIGUSR2, &action, NULL);
	CALL(ustat, 1, buf);
	sigset_t set, none;
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	action.sa_flags = 0;
	sigaction(SIGUSR1, &action, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	struct epoll_event event;
	CALL(epoll_pwait, epoll_create1(0), &event, 1, 1000, &none, 8);
	struct open_how how = {O_RDONLY, 0, 0};
	CALL(openat2, AT_FDCWD, "file", &how, 3);
	CALL(landlock_create_ruleset, NULL, 0, 1);
	CALL(landlock_create_ruleset, NULL, 0, 0);
	unsigned long rules = 3;
	int ruleset = CALL(landlock_create_ruleset, &rules, 8, 0);
	struct __attribute__((packed)) {
		unsigned long access;
		int parent;
	} beneath = {1, fd};
	CALL(landlock_add_rule, ruleset, 1, &beneath, 0);
	int signal_number = 40;
	struct sigevent notify = {.sigev_signo = signal_number, .sigev_notify = SIGEV_NONE};
	int timer;
	CALL(timer_create, CLOCK_MONOTONIC, &notify, &timer);
	unlink("file");
}

static pthread_mutex_t created = PTHREAD_MUTEX_INITIALIZER;

static void *thread(void *argument) {
	/* Not before pthread_create is over: the word in which the kernel leaves the id is the one
	 * that it clears when the thread ends, and a strace that is late would read 0 there. */
	pthread_mutex_lock(&created);
	pthread_mutex_unlock(&created);
	write(1, "thread\n", 7);
	return argument;
}

int main(int argc, char **argv) {
	const char *what = argc > 1 ? argv[1] : "";
	if (!strcmp(what, "files"))
		files();
	else if (!strcmp(what, "descriptors"))
		descriptors();
	else if (!strcmp(what, "processes"))
		processes();
	else if (!strcmp(what, "signals"))
		signals();
	else if (!strcmp(what, "futexes"))
		futexes();
	else if (!strcmp(what, "rarer"))
		rarer();
	else if (!strcmp(what, "threads")) {
		pthread_t id;
		for (int i = 0; i < 2; i++) {
			pthread_mutex_lock(&created);
			pthread_create(&id, NULL, thread, NULL);
			pthread_mutex_unlock(&created);
			pthread_join(id, NULL);
		}
	} else
		return 2;
	return 0;
}
