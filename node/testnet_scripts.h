#ifndef NFTMESH_NODE_TESTNET_SCRIPTS_H
#define NFTMESH_NODE_TESTNET_SCRIPTS_H

/* The texts that `nftmesh testnet` writes. testnet.c puts a head with the variables in front of
 * start.sh: NFTMESH, ANVIL, PORT, CONTRACT, APP_ID, WALLETS. */

#define TESTNET_START                                                                              \
    "say() { echo \"testnet: $*\" >&2; }\n"                                                        \
    "if [ -e pids ]; then\n"                                                                       \
    "    say 'it runs already, or ended badly: ./stop.sh first'\n"                                 \
    "    exit 1\n"                                                                                 \
    "fi\n"                                                                                         \
    "# The chain is in memory only: every start begins from nothing.\n"                            \
    "rm -rf node*/data logs\n"                                                                     \
    "mkdir logs\n"                                                                                 \
    ": >pids\n"                                                                                    \
    "done=\n"                                                                                      \
    "ended() {\n"                                                                                  \
    "    [ -z \"$done\" ] || return 0\n"                                                           \
    "    say 'not started; the ends of the logs:'\n"                                               \
    "    tail -n 3 logs/* >&2\n"                                                                   \
    "    ./stop.sh\n"                                                                              \
    "}\n"                                                                                          \
    "trap ended EXIT\n"                                                                            \
    "\n"                                                                                           \
    "# begin NAME COMMAND ..: in the background, with a log and a line in pids.\n"                 \
    "begin() {\n"                                                                                  \
    "    local name=$1\n"                                                                          \
    "    shift\n"                                                                                  \
    "    setsid \"$@\" </dev/null >\"logs/$name.log\" 2>&1 &\n"                                    \
    "    echo \"$! $name\" >>pids\n"                                                               \
    "}\n"                                                                                          \
    "# rpc BODY: the chain's answer; plain HTTP by bash itself.\n"                                 \
    "rpc() {\n"                                                                                    \
    "    exec 3<>\"/dev/tcp/127.0.0.1/$PORT\" || return 1\n"                                       \
    "    printf 'POST / HTTP/1.0\\r\\nContent-Type: application/json\\r\\n' >&3\n"                 \
    "    printf 'Content-Length: %d\\r\\n\\r\\n%s' \"${#1}\" \"$1\" >&3\n"                         \
    "    cat <&3\n"                                                                                \
    "    exec 3>&-\n"                                                                              \
    "}\n"                                                                                          \
    "# until_so WHAT COMMAND ..: 30 s at most.\n"                                                  \
    "until_so() {\n"                                                                               \
    "    local what=$1 i\n"                                                                        \
    "    shift\n"                                                                                  \
    "    for ((i = 0; i < 300; i++)); do\n"                                                        \
    "        if \"$@\" >/dev/null 2>&1; then return 0; fi\n"                                       \
    "        sleep 0.1\n"                                                                          \
    "    done\n"                                                                                   \
    "    say \"not within 30 s: $what\"\n"                                                         \
    "    exit 1\n"                                                                                 \
    "}\n"                                                                                          \
    "answers() { rpc '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_chainId\",\"params\":[]}' "   \
    "|\n"                                                                                          \
    "    grep -q '\"0x7a69\"'; }\n"                                                                \
    "deployed() {\n"                                                                               \
    "    rpc "                                                                                     \
    "'{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_getCode\",\"params\":[\"'$CONTRACT'\","       \
    "\"latest\"]}' |\n"                                                                            \
    "        grep -q '\"0x60'\n"                                                                   \
    "}\n"                                                                                          \
    "\n"                                                                                           \
    "say \"a chain at http://127.0.0.1:$PORT\"\n"                                                  \
    "begin anvil \"$ANVIL\" --port \"$PORT\" --block-time 1 --slots-in-an-epoch 1 --accounts 1\n"  \
    "until_so 'the chain answers (is $ANVIL anvil? see logs/anvil.log)' answers\n"                 \
    "rpc \"$(cat chain/fund.json)\" >logs/fund.log\n"                                              \
    "rpc \"$(cat chain/deploy.json)\" >logs/deploy.log\n"                                          \
    "until_so \"the contract is at $CONTRACT (logs/deploy.log)\" deployed\n"                       \
    "say \"the contract is at $CONTRACT\"\n"                                                       \
    "\n"                                                                                           \
    "sockets=()\n"                                                                                 \
    "for ((i = 1; i <= ${#WALLETS[@]}; i++)); do sockets+=(--socket \"node$i/dstack.sock\"); "     \
    "done\n"                                                                                       \
    "begin agents \"$NFTMESH\" simulator --kms-key kms.key --app-id \"$APP_ID\" "                  \
    "\"${sockets[@]}\"\n"                                                                          \
    "until_so 'the guest agents answer (logs/agents.log)' test -S "                                \
    "\"node${#WALLETS[@]}/dstack.sock\"\n"                                                         \
    "\n"                                                                                           \
    "for ((i = 1; i <= ${#WALLETS[@]}; i++)); do\n"                                                \
    "    \"$NFTMESH\" mint --to \"${WALLETS[i - 1]}\" --rpc \"http://127.0.0.1:$PORT\" \\\n"       \
    "        --chain-id 31337 --contract \"$CONTRACT\" --wallet-key-file owner.wallet >&2\n"       \
    "done\n"                                                                                       \
    "say 'nodes register their keys and start'\n"                                                  \
    "for ((i = 1; i <= ${#WALLETS[@]}; i++)); do\n"                                                \
    "    begin \"node$i\" \"$NFTMESH\" node --config \"node$i/node.conf\" --register\n"            \
    "done\n"                                                                                       \
    "for ((i = 1; i <= ${#WALLETS[@]}; i++)); do\n"                                                \
    "    \"$NFTMESH\" wait --ready --timeout 90s --data-dir \"node$i/data\"\n"                     \
    "done\n"                                                                                       \
    "done=yes\n"                                                                                   \
    "say 'all are ready; ask any of them, for example'\n"                                          \
    "say \"    $NFTMESH members --data-dir $PWD/node1/data\"\n"                                    \
    "\"$NFTMESH\" members --data-dir node1/data\n"

#define TESTNET_STOP                                                                               \
    "#!/usr/bin/env bash\n"                                                                        \
    "# Ends what start.sh began: nodes say goodbye first, the chain is last.\n"                    \
    "cd \"$(dirname \"$0\")\" || exit 1\n"                                                         \
    "[ -e pids ] || exit 0\n"                                                                      \
    "# A number may be another process's by now.\n"                                                \
    "ours() { case $(cat \"/proc/$1/comm\" 2>/dev/null) in nftmesh | anvil) ;; *) false ;; esac; " \
    "}\n"                                                                                          \
    "end() {\n"                                                                                    \
    "    local pid i\n"                                                                            \
    "    for pid in \"$@\"; do if ours \"$pid\"; then kill \"$pid\" 2>/dev/null; fi; done\n"       \
    "    for pid in \"$@\"; do\n"                                                                  \
    "        for ((i = 0; i < 150; i++)); do\n"                                                    \
    "            ours \"$pid\" || continue 2\n"                                                    \
    "            sleep 0.1\n"                                                                      \
    "        done\n"                                                                               \
    "        kill -9 \"$pid\" 2>/dev/null\n"                                                       \
    "    done\n"                                                                                   \
    "}\n"                                                                                          \
    "end $(sed -n 's/ node[0-9]*$//p' pids)\n"                                                     \
    "end $(sed -n 's/ agents$//p; s/ anvil$//p' pids)\n"                                           \
    "rm -f pids\n"

#define TESTNET_README                                                                             \
    "\n"                                                                                           \
    "    ./start.sh      begins from nothing: chain, contract, seats, guest agents, nodes\n"       \
    "    ./stop.sh       ends all of it\n"                                                         \
    "\n"                                                                                           \
    "| file | what it is |\n"                                                                      \
    "|---|---|\n"                                                                                  \
    "| `owner.wallet` | owns the contract: mints seats |\n"                                        \
    "| `kms.key` | the KMS root of the guest agents |\n"                                           \
    "| `chain/deploy.json` | the contract's deployment, signed by the owner: so its address is "   \
    "known before |\n"                                                                             \
    "| `chain/fund.json` | ether for all wallets, as anvil takes it |\n"                           \
    "| `nodeN/node.conf` | the node's settings |\n"                                                \
    "| `nodeN/wallet` | owns the node's seat |\n"                                                  \
    "| `nodeN/data` | the node's keys and control socket, made at start |\n"                       \
    "| `logs/` | what each process says |\n"                                                       \
    "\n"                                                                                           \
    "Try:\n"                                                                                       \
    "\n"                                                                                           \
    "    nftmesh members --data-dir node1/data\n"                                                  \
    "    nftmesh events --follow --data-dir node2/data\n"                                          \
    "    nftmesh event hello world --data-dir node1/data\n"                                        \
    "    nftmesh leave --data-dir node3/data\n"                                                    \
    "    nftmesh deactivate --token 2 --config node2/node.conf\n"                                  \
    "\n"                                                                                           \
    "Everything in here is for development: the guest agents are simulators, and whoever reads "   \
    "these\nfiles has all keys. Admission on this mesh proves nothing.\n"

#endif
