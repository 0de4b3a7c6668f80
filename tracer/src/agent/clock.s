# Clock reads inside the application. Entered by a jump from the vDSO's functions, whose
# calling convention is that of C: rax, rcx, rdx, r10 and r11 are free. Every way out, and
# every instruction that can stop, has the same registers in record and in replay.
#
# Data page: +0 mode (0: record, 1: replay), +4 reads answered, +8 reads that may be
# answered; +16 where the vDSO's own clock_gettime begins, if the time stamp counter may be
# read, else 0; +24 the application's stack while that runs, on a stack that ends at +0xf80:
# below the application's nothing may be left that replay does not leave. In front of the
# pages, two words a read. Where the answers run out the supervisor is asked, by an
# instruction that traps: a syscall could be forbidden by a filter of the application's own,
# to which these functions are none. What is not answered here at all is a syscall natively
# as well, and is made where the supervisor sees it.

.set MODE, 0x70001000
.set USED, 0x70001004
.set LIMIT, 0x70001008
.set ORIGINAL, 0x70001010
.set CALLER, 0x70001018
.set STACK_TOP, 0x70001f80
.set WORDS, 0x6fff0000

# The address of the next read's two words, in r11.
.macro next_words
    mov r11d, dword ptr [USED]
    shl r11d, 4
    lea r11, [r11 + WORDS]
.endm

# No read is left: to the supervisor.
.macro unless_left ask
    mov r11d, dword ptr [USED]
    cmp r11d, dword ptr [LIMIT]
    jae \ask
    cmp dword ptr [MODE], 0
.endm

# Asks the vDSO's own clock_gettime, which changes what any function may, for \clock (edi, if
# that is it) into the next words, whose address is in r11. To \syscall if it may not run, or
# would make a syscall; else rdi, rsi, r8 and r9 are what they were.
.macro ask_original clock, syscall
    next_words
    cmp qword ptr [ORIGINAL], 0
    je \syscall
    mov qword ptr [CALLER], rsp
    mov esp, STACK_TOP
    push rsi
    push rdi
    push r8
    push r9
    .ifnc \clock, edi
    mov edi, \clock
    .endif
    mov rsi, r11
    call qword ptr [ORIGINAL]
    pop r9
    pop r8
    pop rdi
    pop rsi
    mov rsp, qword ptr [CALLER]
    next_words
    test eax, eax
    jne \syscall
.endm

# The supervisor puts the nanoseconds of clock r10d where the time stamp counter's value
# belongs; leaves seconds in rax, nanoseconds in rdx.
.macro ask_supervisor
    xor eax, eax
    xor ecx, ecx
    xor edx, edx
    xor r11d, r11d
    # hlt: what the supervisor puts in the place of rdtsc elsewhere, too.
    .byte 0xf4, 0x31
    shl rdx, 32
    or rax, rdx
    xor edx, edx
    mov ecx, 1000000000
    div rcx
    xor ecx, ecx
    xor r10d, r10d
.endm

.pushsection .rodata.ftrun_agent, "a"
.globl ftrun_agent_code, ftrun_agent_code_end
.globl ftrun_agent_clock_gettime, ftrun_agent_gettimeofday, ftrun_agent_time
.balign 16
ftrun_agent_code:
ftrun_agent_clock_gettime:
    cmp edi, 11
    ja ftrun_agent_seen_clock_gettime
    # REALTIME, MONOTONIC, MONOTONIC_RAW, both COARSE, BOOTTIME, TAI
    mov eax, 0x8f3
    bt eax, edi
    jnc ftrun_agent_seen_clock_gettime
    unless_left 2f
    jne 1f
    ask_original edi, 3f
    jmp 1f
3:  mov r10, rsi
    mov rsi, r11
    mov eax, 228
    syscall
    mov rsi, r10
    test eax, eax
    jnz 2f
1:  next_words
    mov rax, qword ptr [r11]
    mov rdx, qword ptr [r11 + 8]
    inc dword ptr [USED]
    xor ecx, ecx
    xor r10d, r10d
    xor r11d, r11d
    mov qword ptr [rsi], rax
    mov qword ptr [rsi + 8], rdx
    xor edx, edx
    xor eax, eax
    ret
2:  mov r10d, edi
    ask_supervisor
    mov qword ptr [rsi], rax
    mov qword ptr [rsi + 8], rdx
    xor edx, edx
    xor eax, eax
    ret

.balign 16
ftrun_agent_gettimeofday:
    test rdi, rdi
    jz ftrun_agent_seen_gettimeofday
    test rsi, rsi
    jnz ftrun_agent_seen_gettimeofday
    unless_left 2f
    jne 1f
    ask_original 0, 3f
    # Nanoseconds, below 2^30, to microseconds.
    imul rax, qword ptr [r11 + 8], 0x10624dd3
    shr rax, 38
    mov qword ptr [r11 + 8], rax
    jmp 1f
3:  mov r10, rdi
    mov rdi, r11
    mov eax, 96
    syscall
    mov rdi, r10
    test eax, eax
    jnz 2f
1:  next_words
    mov rax, qword ptr [r11]
    mov rdx, qword ptr [r11 + 8]
    inc dword ptr [USED]
    xor ecx, ecx
    xor r10d, r10d
    xor r11d, r11d
    mov qword ptr [rdi], rax
    mov qword ptr [rdi + 8], rdx
    xor edx, edx
    xor eax, eax
    ret
2:  xor r10d, r10d
    ask_supervisor
    mov qword ptr [rdi], rax
    mov rax, rdx
    xor edx, edx
    mov ecx, 1000
    div rcx
    mov qword ptr [rdi + 8], rax
    xor ecx, ecx
    xor edx, edx
    xor eax, eax
    ret

.balign 16
ftrun_agent_time:
    test rdi, rdi
    jnz ftrun_agent_seen_time
    unless_left 2f
    jne 1f
    # The coarse wall clock.
    ask_original 5, 3f
    mov qword ptr [r11 + 8], 0
    jmp 1f
3:  mov eax, 201
    syscall
    test rax, rax
    js 2f
    next_words
    mov qword ptr [r11], rax
    mov qword ptr [r11 + 8], 0
1:  next_words
    mov rax, qword ptr [r11]
    inc dword ptr [USED]
    xor ecx, ecx
    xor edx, edx
    xor r10d, r10d
    xor r11d, r11d
    ret
2:  mov r10d, 5
    ask_supervisor
    xor edx, edx
    ret

# The supervisor sees these: they lie behind what the filter lets through, at AGENT_SEEN.
.fill 0x600 - (. - ftrun_agent_code), 1, 0xcc
ftrun_agent_seen_clock_gettime:
    xor edx, edx
    xor r10d, r10d
    mov eax, 228
    syscall
    ret
ftrun_agent_seen_gettimeofday:
    xor edx, edx
    xor r10d, r10d
    mov eax, 96
    syscall
    ret
ftrun_agent_seen_time:
    xor edx, edx
    xor r10d, r10d
    mov eax, 201
    syscall
    ret
ftrun_agent_code_end:
.popsection
