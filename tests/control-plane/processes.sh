# shellcheck shell=bash
# Sourced: processes that outlive the script that began them. Each is known by DIR/NAME.pid, has DIR as its working
# directory and writes DIR/NAME.log.

spawn() { # DIR NAME COMMAND...
  local dir=$1 name=$2
  shift 2
  # A session of its own, so that a Ctrl-C in the terminal reaches the script, which stops things in order.
  (cd "$dir" && exec setsid "$@" >>"$name.log" 2>&1 </dev/null 9>&-) &
  echo $! >"$dir/$name.pid"
}

# The working directory tells our process from a stranger that was given the same pid later.
running() { # DIR NAME
  [ -f "$1/$2.pid" ] && [ "$(readlink "/proc/$(<"$1/$2.pid")/cwd")" = "$1" ]
}

gone() { # DIR NAME
  ! running "$1" "$2"
}

halt() { # DIR NAME: returns once the process is gone
  if running "$1" "$2"; then
    kill "$(<"$1/$2.pid")"
    within 15 gone "$1" "$2" || kill -KILL "$(<"$1/$2.pid")"
    within 15 gone "$1" "$2"
  fi
  rm -f "$1/$2.pid"
}

crash() { # DIR NAME
  kill -KILL "$(<"$1/$2.pid")"
  within 15 gone "$1" "$2"
}

within() { # SECONDS COMMAND...: until the command succeeds
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.1
  done
}

# Below the range of ephemeral ports, where an outgoing connection could take the port before its owner binds it.
free_port() {
  local port=$((20000 + RANDOM % 12000))
  while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((20000 + RANDOM % 12000)); done
  echo "$port"
}
