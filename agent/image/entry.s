# Where trampolines enter the agent, and how it leaves. At the entry every register is the
# application's, except rcx, which has the address of the site's Info, and r11: a syscall destroys
# both. Nothing is written below the application's stack pointer. Addresses in braces are those of
# agent/src/layout.rs.

.set PHASE, {PHASE}
.set EXIT_STOP, {EXIT_STOP}
.set TARGET, {TARGET}
.set VECTORS, {VECTORS}
.set STACK_TOP, {STACK_TOP}
.set FRAME, {FRAME}
.set EXIT_SYSCALL, {EXIT_SYSCALL}
.set EXIT_NR, {EXIT_NR}

.section .entry, "ax"
.globl ftrun_agent_header
ftrun_agent_header:
    .quad ftrun_agent_entry
    .quad ftrun_agent_recover

.balign 16
ftrun_agent_entry:
    mov qword ptr [STACK_TOP - 8], rsp
    mov rsp, STACK_TOP - 8
    pushfq
    # Copies go up and need not be aligned. Other flags stay: not all of them can be put back from
    # outside.
    pushfq
    and qword ptr [rsp], -0x40401
    popfq
    push rcx
    push rdi
    push rsi
    push rdx
    push rax
    push r8
    push r9
    push r10
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    movaps xmmword ptr [VECTORS + 0x00], xmm0
    movaps xmmword ptr [VECTORS + 0x10], xmm1
    movaps xmmword ptr [VECTORS + 0x20], xmm2
    movaps xmmword ptr [VECTORS + 0x30], xmm3
    movaps xmmword ptr [VECTORS + 0x40], xmm4
    movaps xmmword ptr [VECTORS + 0x50], xmm5
    movaps xmmword ptr [VECTORS + 0x60], xmm6
    movaps xmmword ptr [VECTORS + 0x70], xmm7
    movaps xmmword ptr [VECTORS + 0x80], xmm8
    movaps xmmword ptr [VECTORS + 0x90], xmm9
    movaps xmmword ptr [VECTORS + 0xa0], xmm10
    movaps xmmword ptr [VECTORS + 0xb0], xmm11
    movaps xmmword ptr [VECTORS + 0xc0], xmm12
    movaps xmmword ptr [VECTORS + 0xd0], xmm13
    movaps xmmword ptr [VECTORS + 0xe0], xmm14
    movaps xmmword ptr [VECTORS + 0xf0], xmm15
    mov dword ptr [PHASE], 1
    mov rdi, rsp
    call ftrun_agent_serve

# eax: 0, the call is to be made as if there were no agent; 1, it is served; more, so many bytes less
# one of it are done.
leave_agent:
    movaps xmm0, xmmword ptr [VECTORS + 0x00]
    movaps xmm1, xmmword ptr [VECTORS + 0x10]
    movaps xmm2, xmmword ptr [VECTORS + 0x20]
    movaps xmm3, xmmword ptr [VECTORS + 0x30]
    movaps xmm4, xmmword ptr [VECTORS + 0x40]
    movaps xmm5, xmmword ptr [VECTORS + 0x50]
    movaps xmm6, xmmword ptr [VECTORS + 0x60]
    movaps xmm7, xmmword ptr [VECTORS + 0x70]
    movaps xmm8, xmmword ptr [VECTORS + 0x80]
    movaps xmm9, xmmword ptr [VECTORS + 0x90]
    movaps xmm10, xmmword ptr [VECTORS + 0xa0]
    movaps xmm11, xmmword ptr [VECTORS + 0xb0]
    movaps xmm12, xmmword ptr [VECTORS + 0xc0]
    movaps xmm13, xmmword ptr [VECTORS + 0xd0]
    movaps xmm14, xmmword ptr [VECTORS + 0xe0]
    movaps xmm15, xmmword ptr [VECTORS + 0xf0]
    mov rcx, qword ptr [rsp + 0x68]
    test eax, eax
    jz 1f
    mov edi, eax
    dec edi
    jnz report
    cmp dword ptr [EXIT_STOP], 0
    jne report
    mov rcx, qword ptr [rcx + 8]
    jmp 2f
1:  mov rcx, qword ptr [rcx]
2:  mov qword ptr [TARGET], rcx
    mov dword ptr [PHASE], 0
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    pop r10
    pop r9
    pop r8
    pop rax
    pop rdx
    pop rsi
    pop rdi
    pop rcx
    mov rcx, qword ptr [rcx + 16]
    mov r11, qword ptr [rsp]
    popfq
    pop rsp
    jmp qword ptr [TARGET]

# Served, and the supervisor wants to see the thread before it goes on, or done in part, as many
# bytes as edi says: it takes the registers from the frame.
report:
    mov eax, EXIT_NR
    mov ecx, EXIT_SYSCALL
    jmp rcx

# The supervisor leads a thread here whose agent met memory that it cannot read.
ftrun_agent_recover:
    mov rsp, FRAME
    cld
    xor eax, eax
    jmp leave_agent
