module example.com/lernito-shop

go 1.19
