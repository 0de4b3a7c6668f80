/* The C library's buffered files: formats, lines, seeks, append, and what is still buffered at exit. */
#include "guest.h"
#include <locale.h>
#include <wchar.h>

int main(void) {
    FILE *f = fopen("text", "w+");
    CHECK(f);
    for (int i = 0; i < 2000; i++)
        fprintf(f, "line %d %f %x\n", i, i / 7.0, i);
    CHECK(fseek(f, 0, SEEK_SET) == 0);
    char *line = NULL;
    size_t room = 0;
    int lines = 0;
    uint64_t sum = 0;
    while (getline(&line, &room, f) > 0) {
        sum = sum * 31 + hash(line, strlen(line));
        lines++;
    }
    CHECK_EQ(lines, 2000);
    CHECK(fseek(f, -10, SEEK_END) == 0);
    long at = ftell(f);
    fputs("overwritten", f);
    fflush(f);
    fclose(f);
    f = fopen("text", "a");
    CHECK(f);
    fprintf(f, "tail at %ld", at);
    fclose(f);
    struct stat st;
    OK(stat("text", &st));
    setvbuf(stdout, NULL, _IOFBF, 1000);
    printf("%d lines, %016lx, %ld bytes\n", lines, (unsigned long)sum, (long)st.st_size);
    for (int i = 0; i < 100; i++)
        printf("buffered line %d\n", i);
    char *memory;
    size_t size;
    f = open_memstream(&memory, &size);
    fprintf(f, "%ls", L"wide");
    fclose(f);
    CHECK(size == 4 && strcmp(memory, "wide") == 0);
    printf("locale %s, address %p\n", setlocale(LC_ALL, ""), (void *)memory);
    printf("this is flushed by exit");
    return 0;
}
