/* A library loaded from a memfd and from a file that is gone at once, used, closed, and another one in its place. */
#include "guest.h"
#include <dlfcn.h>
#include <link.h>

static const char *libm;
static int find(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)size, (void)unused;
    if (strstr(info->dlpi_name, "libc.so"))
        libm = info->dlpi_name;
    return 0;
}

static void copy(const char *from, int to) {
    int in = OK(open(from, O_RDONLY));
    static char block[65536];
    size_t n;
    while ((n = read_to_end(in, block, sizeof block)) > 0)
        write_all(to, block, n);
    OK(close(in));
}

int main(void) {
    dl_iterate_phdr(find, NULL);
    CHECK(libm);
    char path[4096], link[64];
    snprintf(path, sizeof path, "%.*s/libm.so.6", (int)(strrchr(libm, '/') - libm), libm);
    for (int i = 0; i < 3; i++) {
        int fd;
        if (i % 2 == 0) {
            fd = OK(memfd_create("library", MFD_CLOEXEC));
            snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        } else {
            fd = OK(open("copy.so", O_RDWR | O_CREAT | O_TRUNC, 0700));
            snprintf(link, sizeof link, "./copy.so");
        }
        copy(path, fd);
        void *library = dlopen(link, RTLD_NOW | RTLD_LOCAL);
        if (!library)
            dprintf(2, "%s\n", dlerror());
        CHECK(library);
        if (i % 2)
            OK(unlink("copy.so"));
        OK(close(fd));
        double (*cosine)(double) = (double (*)(double))dlsym(library, "cos");
        CHECK(cosine && cosine(0.0) == 1.0);
        say("cos is at %p, cos(1) %.10f", (void *)cosine, cosine(1.0));
        ZERO(dlclose(library));
    }
    return 0;
}
