//go:build gc && !smr_portable

#include "textflag.h"

// func lines(first *unsafe.Pointer, n int, span uintptr)
TEXT ·lines(SB), NOSPLIT, $0-24
	MOVQ first+0(FP), AX
	MOVQ n+8(FP), CX
	MOVQ span+16(FP), DX

next:
	MOVQ (AX), BX
	PREFETCHT0 (BX)
	PREFETCHT0 (BX)(DX*1)
	ADDQ $8, AX
	DECQ CX
	JNZ  next
	RET
