//go:build gc && !smr_portable

#include "textflag.h"

// func lines(first *unsafe.Pointer, n int, span uintptr)
TEXT ·lines(SB), NOSPLIT, $0-24
	MOVD first+0(FP), R0
	MOVD n+8(FP), R1
	MOVD span+16(FP), R2

next:
	MOVD.P 8(R0), R3
	PRFM (R3), PLDL1KEEP
	ADD  R2, R3
	PRFM (R3), PLDL1KEEP
	SUBS $1, R1
	BNE  next
	RET
