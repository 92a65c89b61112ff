package server

import (
	"slices"
	"strings"
)

// fuzzPubSubStreams are of a client that publishes to itself.
var fuzzPubSubStreams = []string{
	"HELLO 3\r\nSUBSCRIBE a b\r\nSSUBSCRIBE a\r\nPUBLISH b x\r\nPSUBSCRIBE ? a*\r\nPUBLISH a x\r\nSPUBLISH a x\r\nPUBLISH c x\r\nUNSUBSCRIBE\r\nPUNSUBSCRIBE\r\nSUNSUBSCRIBE\r\nPUBLISH a x\r\n",
	"HELLO 3\r\nSUBSCRIBE a b\r\nSSUBSCRIBE a\r\nPUBLISH a x\r\nSPUBLISH a x\r\nPUBLISH c x\r\nUNSUBSCRIBE\r\nSUNSUBSCRIBE\r\nPUBLISH a x\r\n",
	"SUBSCRIBE a\r\nGET a\r\nPING\r\nPUBLISH a x\r\nPING x\r\nUNSUBSCRIBE a\r\nPUBLISH a x\r\nSUBSCRIBE a\r\nRESET\r\nPUBLISH a x\r\n",
	"MULTI\r\nSUBSCRIBE a\r\nPUBLISH a x\r\nUNSUBSCRIBE a\r\nSUBSCRIBE b\r\nPUBLISH b x\r\nEXEC\r\nPING\r\nQUIT\r\n",
	"HELLO 3\r\nCONFIG SET notify-keyspace-events KEAmn\r\nPSUBSCRIBE __key*\r\nSET k v EX 100\r\nGET none\r\nMSET a 1 b 2\r\nRENAME a b\r\nDEL k b\r\nCONFIG SET notify-keyspace-events \"\"\r\n",
	"HELLO 3\r\nCLIENT REPLY OFF\r\nSUBSCRIBE a\r\nPUBLISH a x\r\nGET a\r\nCLIENT REPLY ON\r\nCLIENT REPLY SKIP\r\nMULTI\r\nCLIENT REPLY OFF\r\nEXEC\r\nGET a\r\nRESET\r\n*x\r\n",
}

// fuzzSubscribes reports whether there may be more or fewer replies than commands.
func fuzzSubscribes(commands [][]string) bool {
	return slices.ContainsFunc(commands, func(command []string) bool {
		name := strings.ToUpper(command[0])
		return strings.HasSuffix(name, "SUBSCRIBE") || name == "CLIENT" && len(command) > 1 && strings.EqualFold(command[1], "REPLY")
	})
}
