/* A filesystem that a process of the program itself serves: stat, open and read wait for it. */
#include "guest.h"
#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/uio.h>

static int device;


static void reply(uint64_t unique, int error, const void *data, size_t size) {
    struct fuse_out_header head = {(uint32_t)(sizeof head + size), error, unique};
    struct iovec v[2] = {{&head, sizeof head}, {(void *)(uintptr_t)data, size}};
    /* Nobody may be waiting for it any more when the filesystem goes. */
    ssize_t n = writev(device, v, size ? 2 : 1);
    CHECK(n == (ssize_t)(sizeof head + size) || (n == -1 && (errno == ENOENT || errno == ENODEV)));
}

static void fill_attributes(struct fuse_attr *a, uint64_t node) {
    memset(a, 0, sizeof *a);
    a->ino = node;
    a->mode = node == 1 ? S_IFDIR | 0755 : S_IFREG | 0644;
    a->nlink = 1;
    a->size = node == 1 ? 0 : 5000;
    a->blksize = 4096;
}

/* One file "f" of 5000 bytes in the root. */
static void serve(void) {
    static char buffer[256 * 1024] __attribute__((aligned(8)));
    for (;;) {
        ssize_t n = read(device, buffer, sizeof buffer);
        if (n < 0 && errno == ENODEV)
            _exit(0);
        CHECK(n >= (ssize_t)sizeof(struct fuse_in_header));
        const struct fuse_in_header *in = (const struct fuse_in_header *)(const void *)buffer;
        const void *body = in + 1;

        switch (in->opcode) {
        case FUSE_INIT: {
            struct fuse_init_out out;
            memset(&out, 0, sizeof out);
            out.major = FUSE_KERNEL_VERSION;
            out.minor = 31;
            out.max_write = 65536;
            reply(in->unique, 0, &out, sizeof out);
            break;
        }
        case FUSE_LOOKUP: {
            struct fuse_entry_out out;
            memset(&out, 0, sizeof out);
            if (strcmp((const char *)body, "f") != 0) {
                reply(in->unique, -ENOENT, NULL, 0);
                break;
            }
            out.nodeid = 2;
            fill_attributes(&out.attr, 2);
            reply(in->unique, 0, &out, sizeof out);
            break;
        }
        case FUSE_GETATTR: {
            struct fuse_attr_out out;
            memset(&out, 0, sizeof out);
            fill_attributes(&out.attr, in->nodeid);
            reply(in->unique, 0, &out, sizeof out);
            break;
        }
        case FUSE_OPEN: {
            struct fuse_open_out out;
            memset(&out, 0, sizeof out);
            reply(in->unique, 0, &out, sizeof out);
            break;
        }
        case FUSE_READ: {
            const struct fuse_read_in *r = (const struct fuse_read_in *)body;
            static char data[8192];
            size_t size = r->offset >= 5000 ? 0 : r->size < 5000 - r->offset ? r->size : 5000 - (size_t)r->offset;
            fill(data, sizeof data, 7);
            reply(in->unique, 0, data + (r->offset < 5000 ? r->offset : 0), size);
            break;
        }
        case FUSE_FLUSH:
        case FUSE_RELEASE:
            reply(in->unique, 0, NULL, 0);
            break;
        case FUSE_FORGET:
        case FUSE_BATCH_FORGET:
        case FUSE_INTERRUPT:
            break;
        default:
            reply(in->unique, -ENOSYS, NULL, 0);
        }
    }
}

int main(void) {
    device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (device < 0 || unshare(CLONE_NEWNS) != 0) {
        say("not here, errno %d", errno);
        return 0;
    }
    OK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    OK(mkdir("mounted", 0755));
    char options[100];
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
    if (mount("guest", "mounted", "fuse", 0, options) != 0) {
        say("no FUSE, errno %d", errno);
        CHECK(errno == EPERM || errno == ENODEV || errno == EINVAL);
        return 0;
    }
    pid_t pid = OK(fork());
    if (pid == 0)
        serve();
    OK(close(device));
    struct stat s;
    OK(stat("mounted/f", &s));
    CHECK_EQ(s.st_size, 5000);
    FAILS(stat("mounted/g", &s), ENOENT);
    FAILS(access("mounted/h", F_OK), ENOENT);
    int fd = OK(open("mounted/f", O_RDONLY));
    static char want[8192], data[8192];
    fill(want, sizeof want, 7);
    CHECK_EQ(read_to_end(fd, data, sizeof data), 5000);
    CHECK(memcmp(data, want, 5000) == 0);
    OK(close(fd));
    say("device %lu, inode %lu", (unsigned long)s.st_dev, (unsigned long)s.st_ino);
    OK(umount2("mounted", 0));
    expect_exit(pid, 0);
    return 0;
}
