ARMS={}
