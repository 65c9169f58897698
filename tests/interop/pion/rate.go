package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"os"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
)

// measureRate sends through two agents for a while, with a window, and prints datagrams received per second.
func measureRate(arguments []string) {
	flags := flag.NewFlagSet("rate", flag.ExitOnError)
	seconds := flags.Float64("seconds", 2, "how long")
	size := flags.Int("size", 1200, "bytes of a datagram")
	window := flags.Int("window", 64, "datagrams under way at the most")
	servers := flags.String("servers", "", "pion's URIs as JSON: nothing but what these relay is used")
	_ = flags.Parse(arguments) // It exits by itself.
	sender, receiver, err := connectedPair(*servers)
	if err != nil {
		log.Fatalf("two agents of pion do not connect: %v", err)
	}
	room := make(chan struct{}, *window)
	var arrived atomic.Int64
	go send(sender, make([]byte, *size), room)
	go forgive(room, &arrived)
	buffer := make([]byte, 65536)
	start := time.Now()
	for time.Since(start).Seconds() < *seconds {
		if _, err := receiver.Read(buffer); err != nil {
			log.Fatalf("nothing more arrives: %v", err)
		}
		arrived.Add(1)
		<-room
	}
	rate := float64(arrived.Load()) / time.Since(start).Seconds()
	if err := json.NewEncoder(os.Stdout).Encode(map[string]float64{"datagrams_per_s": rate}); err != nil {
		log.Fatal(err)
	}
}

// send sends whenever there is room.
func send(conn *ice.Conn, payload []byte, room chan<- struct{}) {
	for {
		room <- struct{}{}
		if _, err := conn.Write(payload); err != nil {
			log.Fatalf("nothing can be sent: %v", err)
		}
	}
}

// forgive makes room again when nothing arrives any more: what is under way then is lost.
func forgive(room <-chan struct{}, arrived *atomic.Int64) {
	before := int64(-1)
	for range time.Tick(500 * time.Millisecond) {
		if now := arrived.Load(); now != before {
			before = now
			continue
		}
		for left := len(room); left > 0; left-- {
			<-room
		}
	}
}

// connectedPair connects two agents on loopback and gives the controlling one's end first.
func connectedPair(servers string) (sender, receiver *ice.Conn, err error) {
	var pair [2]*ice.Agent
	for index := range pair {
		if pair[index], err = agentOnLoopback(servers); err != nil {
			return nil, nil, err
		}
	}
	for index, one := range pair {
		if err := trickle(one, pair[1-index]); err != nil {
			return nil, nil, err
		}
	}
	accepted := make(chan error, 1)
	go func() {
		var err error
		receiver, err = connect(pair[1].Accept, pair[0])
		accepted <- err
	}()
	if sender, err = connect(pair[0].Dial, pair[1]); err != nil {
		return nil, nil, err
	}
	return sender, receiver, <-accepted
}

// agentOnLoopback makes an agent with its own addresses alone, or with relayed ones alone.
func agentOnLoopback(servers string) (*ice.Agent, error) {
	config := ice.AgentConfig{
		NetworkTypes:     []ice.NetworkType{ice.NetworkTypeUDP4},
		CandidateTypes:   []ice.CandidateType{ice.CandidateTypeHost},
		MulticastDNSMode: ice.MulticastDNSModeDisabled,
		IncludeLoopback:  true,
		InterfaceFilter:  func(name string) bool { return name == "lo" },
	}
	if servers != "" {
		config.CandidateTypes = []ice.CandidateType{ice.CandidateTypeRelay}
		if err := json.Unmarshal([]byte(servers), &config.Urls); err != nil {
			return nil, err
		}
	}
	return ice.NewAgent(&config)
}

// trickle gathers an agent's candidates and tells them to the other.
func trickle(from, to *ice.Agent) error {
	err := from.OnCandidate(func(found ice.Candidate) {
		if found == nil {
			return
		}
		told, err := fromICE(found).toICE()
		if err == nil {
			err = to.AddRemoteCandidate(told)
		}
		if err != nil {
			log.Fatalf("a candidate of pion is not taken by pion: %v", err)
		}
	})
	if err != nil {
		return err
	}
	return from.GatherCandidates()
}

func connect(
	how func(context.Context, string, string) (*ice.Conn, error), peer *ice.Agent,
) (*ice.Conn, error) {
	ufrag, pwd, err := peer.GetLocalUserCredentials()
	if err != nil {
		return nil, err
	}
	limit, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return how(limit, ufrag, pwd)
}
