/*
 * What an Android library wants of its C library that glibc lacks, or does in another way.
 *
 * With it, and the names that port.py changed, tests on this system run the very code that runs on a phone.
 * Functions called Xname stand for bionic's name.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { STREAM_BYTES = 152 };

/* bionic's stdin, stdout and stderr, one after the other */
char __sF[3 * STREAM_BYTES];

static FILE *stream(void *given) {
    char *place = given;
    if (place == __sF) return stdin;
    if (place == __sF + STREAM_BYTES) return stdout;
    if (place == __sF + 2 * STREAM_BYTES) return stderr;
    return given;
}

int *__errno(void) { return &errno; }

size_t __strlen_chk(const char *text, size_t room) {
    (void)room;
    return strlen(text);
}

int __system_property_get(const char *name, char *value) {
    (void)name;
    *value = 0;
    return 0;
}

void android_set_abort_message(const char *message) { fprintf(stderr, "abort: %s\n", message); }

int __android_log_vprint(int level, const char *tag, const char *format, va_list values) {
    /* TensorFlow Lite says the same on stderr. */
    (void)level, (void)tag, (void)format, (void)values;
    return 0;
}

int Xprintf(void *file, const char *format, ...) {
    va_list values;
    va_start(values, format);
    int count = vfprintf(stream(file), format, values);
    va_end(values);
    return count;
}

int Xfprintf(void *file, const char *format, va_list values) { return vfprintf(stream(file), format, values); }
int Xputc(int letter, void *file) { return fputc(letter, stream(file)); }
size_t Xwrite(const void *from, size_t size, size_t count, void *file) { return fwrite(from, size, count, stream(file)); }
int Xflush(void *file) { return fflush(file ? stream(file) : NULL); }
int Xclose(void *file) { return fclose(stream(file)); }
int Xileno(void *file) { return fileno(stream(file)); }

long Xysconf(int bionic_name) {
    switch (bionic_name) {
        case 0x27:
        case 0x28: return sysconf(_SC_PAGESIZE);
        case 0x60: return sysconf(_SC_NPROCESSORS_CONF);
        case 0x61: return sysconf(_SC_NPROCESSORS_ONLN);
        default: errno = EINVAL; return -1;
    }
}
