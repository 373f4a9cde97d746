module roomshift

go 1.26
