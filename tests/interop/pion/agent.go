package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/pion/ice/v4"
)

// settings are what whoever drives an agent says of it.
type settings struct {
	Controlling bool `json:"controlling"`
	// Servers are a list of pion's URIs as they are: their type is of another module in each version of pion.
	Servers json.RawMessage `json:"servers"`
	// Networks and Types are what it may use, as numbers; none are all of UDP, and all types.
	Networks  []ice.NetworkType   `json:"networks"`
	Types     []ice.CandidateType `json:"types"`
	Interface string              `json:"interface"`
	// Listen is where it takes TCP connections, as host:port; empty is nowhere.
	Listen string `json:"listen"`
	// Echo sends everything back that comes.
	Echo bool `json:"echo"`
}

// agent is one agent of pion with its number.
type agent struct {
	number int
	settings
	ice      *ice.Agent
	listener *ice.TCPMuxDefault
	started  bool
	// conn is there once; restarts do not change it.
	conn chan *ice.Conn
}

func newAgent(wanted command) (*agent, error) {
	made := &agent{number: wanted.Agent, settings: wanted.settings, conn: make(chan *ice.Conn, 1)}
	config := &ice.AgentConfig{
		LocalUfrag: wanted.Ufrag, LocalPwd: wanted.Pwd,
		NetworkTypes: made.Networks, CandidateTypes: made.Types,
		MulticastDNSMode: ice.MulticastDNSModeDisabled,
		IncludeLoopback:  true,
		InterfaceFilter:  func(name string) bool { return made.Interface == "" || name == made.Interface },
	}
	if len(config.NetworkTypes) == 0 {
		config.NetworkTypes = []ice.NetworkType{ice.NetworkTypeUDP4, ice.NetworkTypeUDP6}
	}
	if len(made.Servers) != 0 {
		if err := json.Unmarshal(made.Servers, &config.Urls); err != nil {
			return nil, fmt.Errorf("servers: %w", err)
		}
	}
	if made.Listen != "" {
		listener, err := net.Listen("tcp", made.Listen)
		if err != nil {
			return nil, err
		}
		made.listener = ice.NewTCPMuxDefault(ice.TCPMuxParams{Listener: listener, ReadBufferSize: 64})
		config.TCPMux = made.listener
	}
	var err error
	if made.ice, err = makeAgent(config); err != nil {
		return nil, err
	}
	return made, made.tell()
}

// tell says what happens in the agent.
func (a *agent) tell() error {
	return errors.Join(
		a.ice.OnCandidate(func(found ice.Candidate) {
			say(event{Event: "candidate", Agent: a.number, Candidate: fromICE(found)})
		}),
		a.ice.OnConnectionStateChange(func(state ice.ConnectionState) {
			say(event{Event: "state", Agent: a.number, State: state.String()})
		}),
		a.ice.OnSelectedCandidatePairChange(func(local, remote ice.Candidate) {
			say(event{Event: "pair", Agent: a.number, Local: fromICE(local), Remote: fromICE(remote)})
		}),
	)
}

// start begins the checks with the peer's credentials; after a restart they go on with its new ones.
func (a *agent) start(ufrag, pwd string) error {
	if a.started {
		return a.ice.SetRemoteCredentials(ufrag, pwd)
	}
	a.started = true
	go a.run(ufrag, pwd)
	return nil
}

// run connects, then says what data comes, until the agent is closed.
func (a *agent) run(ufrag, pwd string) {
	connect := a.ice.Accept
	if a.Controlling {
		connect = a.ice.Dial
	}
	conn, err := connect(context.Background(), ufrag, pwd)
	if err != nil {
		say(event{Event: "error", Agent: a.number, Text: fmt.Sprintf("start: %v", err)})
		return
	}
	a.conn <- conn
	buffer := make([]byte, 65536)
	for {
		size, err := conn.Read(buffer)
		if err != nil {
			return // It was closed.
		}
		say(event{Event: "data", Agent: a.number, Data: buffer[:size]})
		if a.Echo {
			if _, err := conn.Write(buffer[:size]); err != nil {
				say(event{Event: "error", Agent: a.number, Text: fmt.Sprintf("echo: %v", err)})
			}
		}
	}
}

// send sends; that a pair is selected may be known a moment before pion gives the connection out.
func (a *agent) send(data []byte) error {
	select {
	case conn := <-a.conn:
		a.conn <- conn
		_, err := conn.Write(data)
		return err
	case <-time.After(5 * time.Second):
		return errors.New("it is not connected")
	}
}

func (a *agent) addRemote(told *candidate) error {
	remote, err := told.toICE()
	if err != nil {
		return err
	}
	return a.ice.AddRemoteCandidate(remote)
}

func (a *agent) close() error {
	err := a.ice.Close()
	if a.listener != nil {
		err = errors.Join(err, a.listener.Close())
	}
	return err
}
