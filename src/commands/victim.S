/* Carries the victim of `demo` in the binary. VICTIM_FILE comes from CMake. */
	.section .rodata
	.globl cryptnono_victim_begin
	.globl cryptnono_victim_end
cryptnono_victim_begin:
	.incbin VICTIM_FILE
cryptnono_victim_end:
	.section .note.GNU-stack, "", @progbits
