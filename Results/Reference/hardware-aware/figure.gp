set terminal svg size 720,480 dynamic enhanced font "sans,13" background rgb "white"
set output "figure.svg"
set encoding utf8
set title "Training under weight noise, and the yield of ten chips: LeNet-5" noenhanced
set xlabel "σ of a programming event, as a share of the conductance range" noenhanced
set ylabel "accuracy (%)"
set grid lc rgb "#cccccc"; set border 3; set tics nomirror; set key below noenhanced maxcols 3 height 1.5
set offsets graph 0.03, graph 0.03
colours = "#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9 #000000 #F0E442"
plot "figure.dat" index 0 using 1:2:3 with yerrorlines lw 2 pt 7 ps 0.6 lc rgb word(colours, 1) title "MNIST, plain", \
     "figure.dat" index 1 using 1:2:3 with yerrorlines lw 2 pt 7 ps 0.6 lc rgb word(colours, 2) title "MNIST, aware", \
     "figure.dat" index 2 using 1:2:3 with yerrorlines lw 2 pt 7 ps 0.6 lc rgb word(colours, 3) title "Fashion, plain", \
     "figure.dat" index 3 using 1:2:3 with yerrorlines lw 2 pt 7 ps 0.6 lc rgb word(colours, 4) title "Fashion, aware"
