package main

// step is what lands together.
type step struct {
	title string
	full  bool
	files map[string]string // by table
}

var steps = []step{
	{title: "1. Full loads of all tables", full: true, files: map[string]string{
		persons: "person_id,name,email,phone\n1,Ada,ada@example.com,+1 555 010 1111\n2,Bo,Bo@Example.com ,+1 555 010 2222\n",
		venues:  "venue_id,venue,city\n10,Arena,Springfield\n11,Dome,Shelbyville\n",
		events:  "event_id,title,venue_id,starts_at\n100,Final,10,2024-07-01 20:00:00\n101,Derby,11,2024-07-02 19:30:00\n",
		tickets: "ticket_id,event_id,person_id,price\n1001,100,1,50.00\n1002,100,2,45.50\n1003,101,1,30.00\n",
	}},
	{title: "2. Facts change: a ticket is sold, one is returned, one gets cheaper", files: map[string]string{
		tickets: "op,ticket_id,event_id,person_id,price\nI,1004,101,2,30.00\nD,1003,,,\nU,1002,100,2,40.00\n",
	}},
	{title: "3. A person has another address and phone: her tickets follow", files: map[string]string{
		persons: "op,person_id,name,email,phone\nU,1,Ada,ada@example.org,+1 555 010 3333\n",
	}},
	{title: "4. A venue is renamed, and an event moves there", files: map[string]string{
		venues: "op,venue_id,venue,city\nU,10,Grand Arena,Springfield\n",
		events: "op,event_id,title,venue_id,starts_at\nU,101,Derby,10,2024-07-02 19:30:00\n",
	}},
	{title: "5. A ticket is sold to a person who is not known yet", files: map[string]string{
		tickets: "op,ticket_id,event_id,person_id,price\nI,1005,100,3,55.00\n",
	}},
	{title: "6. The person arrives, another one is forgotten", files: map[string]string{
		persons: "op,person_id,name,email,phone\nI,3,Cy,cy@example.com,+1 555 010 4444\nD,2,,,\n",
	}},
	{title: "7. Nothing lands, and nothing is done"},
}
