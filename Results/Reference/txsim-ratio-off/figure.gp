set terminal svg size 720,480 dynamic enhanced font "sans,13" background rgb "white"
set output "figure.svg"
set encoding utf8
set title "TxSim: LeNet-5 trained from scratch on crossbars, on/off ratio, moving R_off\nabove 100 kΩ" noenhanced
set xlabel "R_off / R_on (R_on = 100 kΩ)" noenhanced
set ylabel "accuracy (%)"
set grid lc rgb "#cccccc"; set border 3; set tics nomirror; set key below noenhanced maxcols 3 height 1.5
set logscale x
set xtics ("2" 2, "5" 5, "10" 10, "20" 20, "50" 50, "100" 100)
set xrange [1.73913:115]
colours = "#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9 #000000 #F0E442"
plot "figure.dat" index 0 using 1:2:3 with yerrorlines lw 2 pt 7 ps 0.6 lc rgb word(colours, 1) title "MNIST, accuracy", \
     "figure.dat" index 1 using 1:2:3 with yerrorlines lw 2 pt 7 ps 0.6 lc rgb word(colours, 2) title "Fashion, accuracy"
