# Where trampolines enter the agent, and how it leaves. At the entry every register is the
# application's, except rcx, which has the address of the site's Info, and r11: a syscall destroys
# both. Nothing is written below the application's stack pointer. Addresses in braces are those of
# agent/src/layout.rs.

.set CURRENT, {CURRENT}
.set TARGET, {TARGET}
# In the thread's Inside, the frame is first.
.set FRAME_BYTES, {FRAME_BYTES}
.set PHASE, {PHASE}
.set EXIT_STOP, {EXIT_STOP}
.set THREAD, {THREAD}
.set VECTORS, {VECTORS}
.set RETURNED, {RETURNED}
.set EXIT_SYSCALL, {EXIT_SYSCALL}
.set EXIT_NR, {EXIT_NR}
.set OFF, {OFF}
.set READS_BASES, {READS_BASES}
.set CLOCKS_USED, {CLOCKS_USED}
.set RECORDS, {RING} + {RING_BYTES_AT}
.set RING_BYTES, {RING_BYTES}
.set HEAD, {RING} + {HEAD}
.set TAIL, {RING} + {TAIL}
.set STOP, {RING} + {STOP}
.set ANSWERS, {RING} + {ANSWERS}
.set ANSWERS_FOR, {RING} + {ANSWERS_FOR}
.set ANSWERS_LEN, {ANSWERS_LEN}
.set RECORD, {RECORD}
.set RECORD_FRAME, {RECORD_FRAME}
.set RECORD_AFTER, {RECORD_AFTER}
.set RECORD_BASES, {RECORD_BASES}
.set RECORD_THREAD, {RECORD_THREAD}
# How much of the frame lies below the stack pointer's at the entry, once what a call itself destroys or
# passes is saved.
.set SAVED, 0x48

# The flags in r11, as far as comparisons change them, and in eax what is left of them: the overflow flag by
# an addition that overflows, the others from their byte. Cheaper than popfq.
.macro restore_flags
    mov eax, r11d
    and eax, 0x800
    shl eax, 20
    add eax, eax
    mov ah, byte ptr [rsp + 0x70 - SAVED]
    sahf
.endm

# The registers of the frame that no call passes back by itself.
.macro push_rest
    push r8
    push r9
    push r10
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
.endm

.section .entry, "ax"
.globl ftrun_agent_header
ftrun_agent_header:
    .quad ftrun_agent_entry
    .quad ftrun_agent_recover
    .quad ftrun_agent_recover_behind

.balign 16
ftrun_agent_entry:
    mov r11, rsp
    mov rsp, qword ptr [CURRENT]
    push r11
    pushfq
    push rcx
    push rdi
    push rsi
    push rdx
    push rax
    # What the supervisor has said that this call gives, one more than that: as serve.rs does it, but no
    # register is touched that is not saved by now, and of the flags only those that comparisons change.
    cmp rax, ANSWERS_LEN
    jae by_rule
    mov rdx, qword ptr [ANSWERS + rax * 8]
    sub rdx, 1
    jc by_rule
    cmp dword ptr [STOP], 0
    jne by_rule
    cmp dword ptr [OFF], 0
    jne by_rule
    mov r11d, dword ptr [rsp + THREAD - SAVED]
    cmp r11d, dword ptr [ANSWERS_FOR]
    jne by_rule
    mov rdi, qword ptr [HEAD]
    mov rsi, rdi
    sub rsi, qword ptr [TAIL]
    cmp rsi, RING_BYTES - RECORD
    ja by_rule
    mov esi, edi
    and esi, RING_BYTES - 1
    cmp esi, RING_BYTES - RECORD
    ja by_rule
    mov dword ptr [RECORDS + rsi], RECORD
    mov dword ptr [RECORDS + rsi + 4], eax
    mov r11d, dword ptr [CLOCKS_USED]
    mov qword ptr [RECORDS + rsi + 8], r11
    mov qword ptr [RECORDS + rsi + 16], rdx
    mov qword ptr [RECORDS + RECORD_FRAME + rsi], r15
    mov qword ptr [RECORDS + RECORD_FRAME + rsi + 0x08], r14
    mov qword ptr [RECORDS + RECORD_FRAME + rsi + 0x10], r13
    mov qword ptr [RECORDS + RECORD_FRAME + rsi + 0x18], r12
    mov qword ptr [RECORDS + RECORD_FRAME + rsi + 0x20], rbp
    mov qword ptr [RECORDS + RECORD_FRAME + rsi + 0x28], rbx
    mov qword ptr [RECORDS + RECORD_FRAME + rsi + 0x30], r10
    mov qword ptr [RECORDS + RECORD_FRAME + rsi + 0x38], r9
    mov qword ptr [RECORDS + RECORD_FRAME + rsi + 0x40], r8
    mov qword ptr [RECORDS + RECORD_FRAME + rsi + 0x48], rax
    mov r11, qword ptr [rsp + 0x50 - SAVED]
    mov qword ptr [RECORDS + RECORD_FRAME + rsi + 0x50], r11
    mov r11, qword ptr [rsp + 0x58 - SAVED]
    mov qword ptr [RECORDS + RECORD_FRAME + rsi + 0x58], r11
    mov r11, qword ptr [rsp + 0x60 - SAVED]
    mov qword ptr [RECORDS + RECORD_FRAME + rsi + 0x60], r11
    mov qword ptr [RECORDS + RECORD_FRAME + rsi + 0x68], rcx
    mov r11, qword ptr [rsp + 0x70 - SAVED]
    mov qword ptr [RECORDS + RECORD_FRAME + rsi + 0x70], r11
    mov r11, qword ptr [rsp + 0x78 - SAVED]
    mov qword ptr [RECORDS + RECORD_FRAME + rsi + 0x78], r11
    mov r11, qword ptr [rcx + 16]
    mov qword ptr [RECORDS + RECORD_AFTER + rsi], r11
    xor r11d, r11d
    xor eax, eax
    cmp dword ptr [READS_BASES], 0
    je 1f
    rdfsbase r11
    rdgsbase rax
1:  mov qword ptr [RECORDS + RECORD_BASES + rsi], r11
    mov qword ptr [RECORDS + RECORD_BASES + rsi + 8], rax
    mov r11d, dword ptr [rsp + THREAD - SAVED]
    mov qword ptr [RECORDS + RECORD_THREAD + rsi], r11
    mov qword ptr [rsp + 0x48 - SAVED], rdx
    add rdi, RECORD
    mov qword ptr [HEAD], rdi
    cmp dword ptr [rsp + EXIT_STOP - SAVED], 0
    jne report_answer
    # As below.
    mov r11, qword ptr [rcx + 8]
    mov qword ptr [TARGET], r11
    mov rcx, qword ptr [rcx + 16]
    mov r11, qword ptr [rsp + 0x70 - SAVED]
    restore_flags
    mov rax, qword ptr [rsp + 0x48 - SAVED]
    mov rdx, qword ptr [rsp + 0x50 - SAVED]
    mov rsi, qword ptr [rsp + 0x58 - SAVED]
    mov rdi, qword ptr [rsp + 0x60 - SAVED]
    mov rsp, qword ptr [rsp + 0x78 - SAVED]
    jmp qword ptr [TARGET]

# The supervisor wants to see the thread: the frame is completed.
report_answer:
    push_rest
    xor edi, edi
    jmp report

by_rule:
    # Copies go up and need not be aligned. Other flags stay: not all of them can be put back from
    # outside.
    test dword ptr [rsp + 0x70 - SAVED], 0x40400
    jz 1f
    pushfq
    and qword ptr [rsp], -0x40401
    popfq
1:  push_rest
    movaps xmmword ptr [rsp + VECTORS + 0x00], xmm0
    movaps xmmword ptr [rsp + VECTORS + 0x10], xmm1
    movaps xmmword ptr [rsp + VECTORS + 0x20], xmm2
    movaps xmmword ptr [rsp + VECTORS + 0x30], xmm3
    movaps xmmword ptr [rsp + VECTORS + 0x40], xmm4
    movaps xmmword ptr [rsp + VECTORS + 0x50], xmm5
    movaps xmmword ptr [rsp + VECTORS + 0x60], xmm6
    movaps xmmword ptr [rsp + VECTORS + 0x70], xmm7
    movaps xmmword ptr [rsp + VECTORS + 0x80], xmm8
    movaps xmmword ptr [rsp + VECTORS + 0x90], xmm9
    movaps xmmword ptr [rsp + VECTORS + 0xa0], xmm10
    movaps xmmword ptr [rsp + VECTORS + 0xb0], xmm11
    movaps xmmword ptr [rsp + VECTORS + 0xc0], xmm12
    movaps xmmword ptr [rsp + VECTORS + 0xd0], xmm13
    movaps xmmword ptr [rsp + VECTORS + 0xe0], xmm14
    movaps xmmword ptr [rsp + VECTORS + 0xf0], xmm15
    mov dword ptr [rsp + PHASE], 1
    mov rdi, rsp
    call ftrun_agent_serve

# eax: 0, the call is to be made as if there were no agent; 1, it is served; more, so many bytes less
# one of it are done, or RETURNED and one more.
leave_agent:
    movaps xmm0, xmmword ptr [rsp + VECTORS + 0x00]
    movaps xmm1, xmmword ptr [rsp + VECTORS + 0x10]
    movaps xmm2, xmmword ptr [rsp + VECTORS + 0x20]
    movaps xmm3, xmmword ptr [rsp + VECTORS + 0x30]
    movaps xmm4, xmmword ptr [rsp + VECTORS + 0x40]
    movaps xmm5, xmmword ptr [rsp + VECTORS + 0x50]
    movaps xmm6, xmmword ptr [rsp + VECTORS + 0x60]
    movaps xmm7, xmmword ptr [rsp + VECTORS + 0x70]
    movaps xmm8, xmmword ptr [rsp + VECTORS + 0x80]
    movaps xmm9, xmmword ptr [rsp + VECTORS + 0x90]
    movaps xmm10, xmmword ptr [rsp + VECTORS + 0xa0]
    movaps xmm11, xmmword ptr [rsp + VECTORS + 0xb0]
    movaps xmm12, xmmword ptr [rsp + VECTORS + 0xc0]
    movaps xmm13, xmmword ptr [rsp + VECTORS + 0xd0]
    movaps xmm14, xmmword ptr [rsp + VECTORS + 0xe0]
    movaps xmm15, xmmword ptr [rsp + VECTORS + 0xf0]
    mov rcx, qword ptr [rsp + 0x68]
    test eax, eax
    jz 1f
    mov edi, eax
    dec edi
    jnz report
    cmp dword ptr [rsp + EXIT_STOP], 0
    jne report
    mov rcx, qword ptr [rcx + 8]
    jmp 2f
1:  mov rcx, qword ptr [rcx]
2:  mov qword ptr [TARGET], rcx
    mov dword ptr [rsp + PHASE], 0
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    pop r10
    pop r9
    pop r8
    mov r11, qword ptr [rsp + 0x70 - SAVED]
    test r11d, 0x40500
    jnz 3f
    restore_flags
    pop rax
    pop rdx
    pop rsi
    pop rdi
    pop rcx
    mov rcx, qword ptr [rcx + 16]
    mov rsp, qword ptr [rsp + 8]
    jmp qword ptr [TARGET]

# Flags that only popfq sets.
3:  pop rax
    pop rdx
    pop rsi
    pop rdi
    pop rcx
    mov rcx, qword ptr [rcx + 16]
    popfq
    pop rsp
    jmp qword ptr [TARGET]

# Served, and the supervisor wants to see the thread before it goes on, or done in part, as many
# bytes as edi says, or RETURNED: it takes the registers from the frame.
report:
    mov eax, EXIT_NR
    mov ecx, EXIT_SYSCALL
    jmp rcx

# The supervisor leads a thread here whose agent met memory that it cannot read.
ftrun_agent_recover:
    xor eax, eax
    jmp 1f
# The same behind a wait: the call is made, and what it wrote is looked at by the supervisor.
ftrun_agent_recover_behind:
    mov eax, RETURNED + 1
1:  mov rsp, qword ptr [CURRENT]
    lea rsp, [rsp - FRAME_BYTES]
    cld
    jmp leave_agent
