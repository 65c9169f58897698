// Pion is an ICE agent of pion/ice that is driven over standard input and output, by one JSON object a line.
//
// It has no signaling: whoever drives it hands over credentials and candidates. `pion rate` measures instead
// how much data two agents in this process carry; see rate.go.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	"github.com/pion/ice/v4"
)

// command is one line of standard input.
type command struct {
	Do    string `json:"do"`
	Agent int    `json:"agent"`

	// new, restart: the agent's own credentials; start: the peer's.
	Ufrag string `json:"ufrag"`
	Pwd   string `json:"pwd"`

	// new
	settings

	// candidate
	Candidate *candidate `json:"candidate"`

	// send
	Data []byte `json:"data"`

	// renominate: what its own candidate in the new pair is.
	Type ice.CandidateType `json:"type"`
}

// event is one line of standard output.
type event struct {
	Event string  `json:"event"`
	Agent int     `json:"agent"`
	At    float64 `json:"at"` // seconds since the program began

	Candidate *candidate `json:"candidate,omitempty"` // candidate; none: no more will come
	State     string     `json:"state,omitempty"`     // state
	Local     *candidate `json:"local,omitempty"`     // pair
	Remote    *candidate `json:"remote,omitempty"`    // pair
	Data      []byte     `json:"data,omitempty"`      // data
	Text      string     `json:"text,omitempty"`      // error
}

var (
	output     = json.NewEncoder(os.Stdout)
	outputLock sync.Mutex
	begun      = time.Now()
)

func say(what event) {
	outputLock.Lock()
	defer outputLock.Unlock()
	what.At = time.Since(begun).Seconds()
	if err := output.Encode(what); err != nil {
		os.Exit(1) // Nobody listens any more.
	}
}

func main() {
	log.SetFlags(0)
	if len(os.Args) > 1 && os.Args[1] == "rate" {
		measureRate(os.Args[2:])
		return
	}
	agents := map[int]*agent{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var wanted command
		if err := json.Unmarshal(lines.Bytes(), &wanted); err != nil {
			log.Fatalf("not a command: %q: %v", lines.Text(), err)
		}
		if err := perform(agents, wanted); err != nil {
			say(event{Event: "error", Agent: wanted.Agent, Text: fmt.Sprintf("%s: %v", wanted.Do, err)})
		}
	}
}

func perform(agents map[int]*agent, wanted command) error {
	if wanted.Do == "new" {
		made, err := newAgent(wanted)
		if err == nil {
			agents[wanted.Agent] = made
		}
		return err
	}
	known, found := agents[wanted.Agent]
	if !found {
		return fmt.Errorf("there is no agent %d", wanted.Agent)
	}
	switch wanted.Do {
	case "gather":
		return known.ice.GatherCandidates()
	case "start":
		return known.start(wanted.Ufrag, wanted.Pwd)
	case "candidate":
		return known.addRemote(wanted.Candidate)
	case "send":
		return known.send(wanted.Data)
	case "restart":
		return known.ice.Restart(wanted.Ufrag, wanted.Pwd) // In place (RFC 8445, 9): gather and start follow.
	case "renominate":
		return renominate(known.ice, wanted.Type)
	case "close":
		delete(agents, wanted.Agent)
		return known.close()
	default:
		return fmt.Errorf("no such command")
	}
}

// candidate is a candidate with the numbers that cunicu signals, which are those of pion.
type candidate struct {
	Type       int    `json:"type"`
	Network    int    `json:"network"`
	TCPType    int    `json:"tcp_type"`
	Address    string `json:"address"`
	Port       int    `json:"port"`
	Priority   uint32 `json:"priority"`
	Foundation string `json:"foundation"`
}

func fromICE(from ice.Candidate) *candidate {
	if from == nil {
		return nil
	}
	return &candidate{
		Type:       int(from.Type()),
		Network:    int(from.NetworkType()),
		TCPType:    int(from.TCPType()),
		Address:    from.Address(),
		Port:       from.Port(),
		Priority:   from.Priority(),
		Foundation: from.Foundation(),
	}
}

func (c *candidate) toICE() (ice.Candidate, error) {
	network := ice.NetworkType(c.Network).String()
	switch ice.CandidateType(c.Type) {
	case ice.CandidateTypeHost:
		return ice.NewCandidateHost(&ice.CandidateHostConfig{
			Network: network, Address: c.Address, Port: c.Port, Component: ice.ComponentRTP,
			Priority: c.Priority, Foundation: c.Foundation, TCPType: ice.TCPType(c.TCPType),
		})
	case ice.CandidateTypeServerReflexive:
		return ice.NewCandidateServerReflexive(&ice.CandidateServerReflexiveConfig{
			Network: network, Address: c.Address, Port: c.Port, Component: ice.ComponentRTP,
			Priority: c.Priority, Foundation: c.Foundation,
		})
	case ice.CandidateTypeRelay:
		return ice.NewCandidateRelay(&ice.CandidateRelayConfig{
			Network: network, Address: c.Address, Port: c.Port, Component: ice.ComponentRTP,
			Priority: c.Priority, Foundation: c.Foundation,
		})
	default:
		return nil, fmt.Errorf("candidates of type %d are not signaled", c.Type)
	}
}
