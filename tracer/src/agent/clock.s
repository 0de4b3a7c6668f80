# Clock reads inside the application. Entered by a jump from the vDSO's functions, whose
# calling convention is that of C: rax, rcx, rdx, r10 and r11 are free. Every way out leaves
# the same registers in record and in replay.
#
# Data page: +0 mode (0: record, 1: replay), +4 reads answered, +8 reads that may be
# answered; from +64 on, two words a read. Where the answers run out, and for whatever is not
# answered here, the plain syscall is made where the supervisor sees it.

.set MODE, 0x70001000
.set USED, 0x70001004
.set LIMIT, 0x70001008
.set WORDS, 0x70001040

# The address of the next read's two words, in r11.
.macro next_words
    mov r11d, dword ptr [USED]
    shl r11d, 4
    lea r11, [r11 + WORDS]
.endm

# No read is left: to the plain syscall.
.macro unless_left seen
    mov r11d, dword ptr [USED]
    cmp r11d, dword ptr [LIMIT]
    jae \seen
    cmp dword ptr [MODE], 0
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
    unless_left ftrun_agent_seen_clock_gettime
    jne 1f
    mov r10, rsi
    next_words
    mov rsi, r11
    mov eax, 228
    syscall
    mov rsi, r10
    test eax, eax
    jnz ftrun_agent_seen_clock_gettime
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

.balign 16
ftrun_agent_gettimeofday:
    test rdi, rdi
    jz ftrun_agent_seen_gettimeofday
    test rsi, rsi
    jnz ftrun_agent_seen_gettimeofday
    unless_left ftrun_agent_seen_gettimeofday
    jne 1f
    mov r10, rdi
    next_words
    mov rdi, r11
    mov eax, 96
    syscall
    mov rdi, r10
    test eax, eax
    jnz ftrun_agent_seen_gettimeofday
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

.balign 16
ftrun_agent_time:
    test rdi, rdi
    jnz ftrun_agent_seen_time
    unless_left ftrun_agent_seen_time
    jne 1f
    mov eax, 201
    syscall
    test rax, rax
    js ftrun_agent_seen_time
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
